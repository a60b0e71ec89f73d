"""``data = 'folder'`` in a config, or ``--data folder``: another data set under any method."""

import copy
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config, ConfigDict

from scaseg.datasets.checked_loaders import FILE_LOADERS
from scaseg.datasets.dataset_yaml import Bands, Description
from scaseg.datasets.folder import describe_folder
from scaseg.errors import UserError

from .checks import leaf_datasets

LOADERS = {'train_dataloader': 'train', 'val_dataloader': 'val', 'test_dataloader': 'test'}
TTA_RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


def apply_data(cfg: Config) -> None:
    """Replace the data sets of a config by the folder that its key ``data`` names, which is removed.

    The pipelines stay, with ``CheckLabels`` for the new classes; those of a data set without files (ToyScenes) give
    way to ADE20K's at the size that the network is trained for. Every ``num_classes`` of the model becomes that of the
    folder.

    Raises:
        UserError: the folder cannot be used, or a loss has class weights of other classes.
    """
    folder = cfg.pop('data', None)
    if folder is None:
        return
    if not isinstance(folder, str | Path):
        raise UserError(f'{cfg.filename}: data={folder!r}: expected the folder of a data set, see docs/own_data.md')
    description = describe_folder(folder)
    classes = len(description.classes)
    recipe: dict[str, list[dict]] = {}
    for loader, split in LOADERS.items():
        if cfg.get(loader) is not None:
            _, leaf = next(leaf_datasets('', cfg[loader].dataset))
            pipeline = copy.deepcopy(leaf.get('pipeline') or [])
            if not (leaf.get('data_root') or leaf.get('data_prefix')):
                recipe = _recipe(cfg)
                pipeline = recipe['train' if split == 'train' else 'test']
            for step in pipeline:
                if step['type'] == 'CheckLabels':
                    step['num_classes'] = classes
            if description.bands is not None:
                pipeline = _for_bands(pipeline, len(description.bands.mean))
            data_set = dict(type='FolderDataset', data_root=str(folder), split=split, pipeline=pipeline)
            cfg[loader]['dataset'] = ConfigDict(data_set)
    if recipe:
        cfg.tta_pipeline = recipe['tta']
    if description.bands is not None:
        _take_bands(cfg, description.bands)
    for key in ('val_evaluator', 'test_evaluator'):  # ids of another benchmark's server
        for evaluator in _as_list(cfg.get(key)):
            evaluator.pop('label_ids', None)
    _set_classes(cfg, description)


def _set_classes(cfg: Config, description: Description) -> None:
    classes = len(description.classes)
    for key, node in dicts('model', cfg.model):
        if 'num_classes' in node:
            node['num_classes'] = classes
        weights = node.get('class_weight')
        if isinstance(weights, list | tuple) and len(weights) != classes:
            raise UserError(
                f'{cfg.filename}: {key}.class_weight has {len(weights)} weights, {description.root} has {classes} '
                f'classes: give others, or {key}.class_weight=None'
            )


def _for_bands(node: Any, bands: int) -> Any:
    """A pipeline, with the transforms for any number of bands in place of those for colours."""
    if isinstance(node, list | tuple):
        return [_for_bands(child, bands) for child in node]
    if not isinstance(node, dict):
        return node
    if node.get('type') in FILE_LOADERS and 'Image' in node['type']:
        return dict(type='LoadBands', bands=bands)
    if node.get('type') == 'PhotoMetricDistortion':
        return dict(type='BandJitter')
    return {key: _for_bands(value, bands) if key == 'transforms' else value for key, value in node.items()}


def _take_bands(cfg: Config, bands: Bands) -> None:
    """Let the model take bands: their statistics, and as many channels of the encoder."""
    old = cfg.model.get('data_preprocessor') or {}
    kept = {key: old[key] for key in ('size', 'size_divisor', 'pad_val', 'seg_pad_val', 'test_cfg') if key in old}
    new = dict(type='BandDataPreProcessor', mean=list(bands.mean), std=list(bands.std), **kept)
    cfg.model.data_preprocessor = ConfigDict(new)
    cfg.model.backbone.in_channels = len(bands.mean)
    if cfg.get('tta_pipeline') is not None:
        cfg.tta_pipeline = _for_bands(cfg.tta_pipeline, len(bands.mean))


def _recipe(cfg: Config) -> dict[str, list[dict]]:
    """ADE20K's pipelines at the size of the network's training crop."""
    height, width = (cfg.model.get('data_preprocessor') or {}).get('size') or (512, 512)
    short = min(height, width)
    scale = (4 * short, short)
    load: list[dict] = [dict(type='LoadImageFromFile')]
    labels: list[dict] = [dict(type='LoadAnnotations'), dict(type='CheckLabels', num_classes=0)]
    even = dict(type='ResizeToMultiple', size_divisor=32)
    pack = dict(type='PackSegInputs')
    train: list[dict] = [
        dict(type='RandomResize', scale=scale, ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(height, width), cat_max_ratio=0.75),
        dict(type='RandomFlip', prob=0.5),
        dict(type='PhotoMetricDistortion'),
        pack,
    ]
    views = [
        [dict(type='Resize', scale=tuple(int(r * side) for side in scale), keep_ratio=True) for r in TTA_RATIOS],
        [even],
        [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
        [labels[0]],
        [pack],
    ]
    return {
        'train': [*load, *labels, *train],
        'test': [*load, dict(type='Resize', scale=scale, keep_ratio=True), even, *labels, pack],
        'tta': [*load, dict(type='TestTimeAug', transforms=views)],
    }


def dicts(key: str, node: Any) -> Iterator[tuple[str, dict]]:
    """All dicts inside a part of a config, with their dotted keys."""
    if isinstance(node, dict):
        yield key, node
        for name, child in node.items():
            yield from dicts(f'{key}.{name}', child)
    elif isinstance(node, list | tuple):
        for index, child in enumerate(node):
            yield from dicts(f'{key}[{index}]', child)


def _as_list(value: Any) -> list:
    return [] if value is None else list(value) if isinstance(value, list | tuple) else [value]
