"""A model folder: weights, config without training, classes and a card, in the layout of the Hugging Face hub."""

import json
from pathlib import Path
from typing import Any

from mmengine.config import Config
from safetensors.torch import save

from scaseg import __version__
from scaseg.apis.model_source import EXPORTED_CONFIG, EXPORTED_WEIGHTS
from scaseg.apis.predict import Predictor
from scaseg.benchmarking.timing import repository_state

# What a prediction or a test reads; the rest of a config is about training.
KEPT_KEYS = (
    'default_scope',
    'custom_imports',
    'model',
    'dataset_type',
    'test_dataloader',
    'test_evaluator',
    'test_cfg',
    'test_pipeline',
    'tta_model',
    'tta_pipeline',
)

CARD = """---
library_name: scaseg
pipeline_tag: image-segmentation
---

# {head} on {encoder}, {count} classes

{parameters:.2f} M parameters. Exported by scaseg {version} (commit {commit}) from `{origin}`.

```python
from scaseg import load_model

result = load_model('.').predict('image.jpg')
```

- **Classes**: {classes}.
- **Data**: `{data}`. The licences of the data and of the encoder's pretrained weights bind this model, too.
- **Scores**: not stated here; `python tools/test.py` measures them on the data set of the config.
- **Limits**: it knows no other class than these, and its confidence is not calibrated.
- **Citation**: [SCASeg](https://arxiv.org/abs/2411.17061) and the paper of the head, see the documentation of scaseg.
"""


def save_model_folder(predictor: Predictor, cfg: Config, origin: Path, folder: Path) -> None:
    """Write a folder that ``load_model`` takes, without the training config.

    Args:
        predictor: the loaded model.
        cfg: its config.
        origin: the checkpoint it was loaded from.
        folder: an existing, empty folder.
    """
    tensors = {name: tensor.contiguous().cpu() for name, tensor in predictor.segmentor.state_dict().items()}
    (folder / EXPORTED_WEIGHTS).write_bytes(save(tensors, metadata={'format': 'pt'}))
    kept = {key: value for key, value in cfg.to_dict().items() if key in KEPT_KEYS and value is not None}
    kept['model']['pretrained'] = None
    _write_json(folder / EXPORTED_CONFIG, kept)
    classes = [
        {'id': index, 'name': name, 'colour': list(colour)}
        for index, (name, colour) in enumerate(zip(predictor.classes, predictor.palette, strict=True))
    ]
    _write_json(folder / 'classes.json', classes)
    parameters = sum(p.numel() for p in predictor.segmentor.parameters())
    (folder / 'README.md').write_text(_card(predictor, cfg, origin, parameters))


def _write_json(path: Path, content: Any) -> None:
    path.write_text(json.dumps(content, indent=2, ensure_ascii=False) + '\n')


def _card(predictor: Predictor, cfg: Config, origin: Path, parameters: int) -> str:
    """The model card. It says what is known and leaves the rest to whoever publishes it."""
    return CARD.format(
        head=cfg.model.decode_head.type,
        encoder=cfg.model.backbone.type,
        count=len(predictor.classes),
        classes=', '.join(predictor.classes),
        parameters=parameters / 1e6,
        version=__version__,
        commit=repository_state()['commit'],
        origin=origin.name,
        data=cfg.get('dataset_type', 'see config.json'),
    )
