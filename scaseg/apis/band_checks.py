"""Pipelines for images of any number of bands: transforms for colours are refused, numbers of bands agree."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from scaseg.errors import UserError

LOADER, PREPROCESSOR = 'LoadBands', 'BandDataPreProcessor'
# Tried on 1, 2, 4 and 6 bands of 8 bits and floats: these fail, cut bands off or cut floats to 8 bits.
FOR_COLOURS = {
    'PhotoMetricDistortion': 'BandJitter varies brightness and contrast of any bands',
    'AdjustGamma': 'BandJitter varies brightness and contrast of any bands',
    'CLAHE': 'it equalises images of 8 bits',
    'RGB2Gray': 'it mixes three colours',
    'RandomGrayscale': 'it mixes three colours',
    'RandomCutOut': 'it fills three colours',
    'Normalize': f'{PREPROCESSOR} normalises',
    'Pad': f'size of {PREPROCESSOR} pads',
    'Albu': 'its transforms are for three colours',
}


def check_bands(cfg: Config, key: str, pipeline: Any) -> None:
    """Check a pipeline that loads bands, and that the model takes as many.

    Args:
        cfg: the whole config.
        key: of the pipeline, for messages.
        pipeline: its steps; one without ``LoadBands`` passes.

    Raises:
        UserError: a transform is for colours only; or the preprocessor or the encoder expects other bands.
    """
    steps = list(_steps(key, pipeline))
    loaders = [step for _, step in steps if step['type'] == LOADER]
    if not loaders:
        return
    bands = loaders[0].get('bands')
    for place, step in steps:
        if step['type'] in FOR_COLOURS:
            raise UserError(
                f'{place}: {step["type"]} is for images of three colours and 8 bits, {LOADER} gives {bands} bands: '
                f'take it out; {FOR_COLOURS[step["type"]]}'
            )
    preprocessor = cfg.model.get('data_preprocessor') or {}
    if preprocessor.get('type') != PREPROCESSOR or len(preprocessor.get('mean') or ()) != bands:
        raise UserError(
            f'model.data_preprocessor: {LOADER} gives {bands} bands, so it must be of type {PREPROCESSOR} with '
            f'{bands} numbers as mean and as std; python tools/data/check.py prints both'
        )
    channels = cfg.model.backbone.get('in_channels', 3)
    if channels != bands:
        raise UserError(f'model.backbone.in_channels={channels}, but {LOADER} gives {bands} bands: set it to {bands}')


def _steps(key: str, node: Any) -> Iterator[tuple[str, dict]]:
    """All transforms of a pipeline, those inside others as well, with their keys."""
    if isinstance(node, dict):
        if isinstance(node.get('type'), str):
            yield key, node
        for name, child in node.items():
            yield from _steps(f'{key}.{name}', child)
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from _steps(f'{key}[{index}]', child)
