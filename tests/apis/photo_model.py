"""An untrained network that reads photographs from files, as a run's folder: what prediction starts from."""

from pathlib import Path

import numpy as np
import torch
from mmengine.runner import save_checkpoint
from mmseg.registry import MODELS
from PIL import Image

from scaseg.apis.config import load_config
from scaseg.datasets.toy_scene_painter import CLASSES, PALETTE, paint_scene

REPOSITORY = Path(__file__).parents[2]
CONFIG = """
_base_ = '{repository}/configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

model = dict(
    data_preprocessor=dict(size=(32, 32)),
    backbone=dict(dims=(8, 16, 24, 32)),
    decode_head=dict(in_channels=[8, 16, 24], channels=16),
)
scale = (96, 64)
train_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='LoadAnnotations'),
    dict(type='CheckLabels', num_classes=10),
    dict(type='RandomCrop', crop_size=(32, 32)),
    dict(type='RandomFlip', prob=0.5),
    dict(type='PackSegInputs'),
]
test_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(type='Resize', scale=scale, keep_ratio=True),
    dict(type='ResizeToMultiple', size_divisor=32),
    dict(type='LoadAnnotations'),
    dict(type='CheckLabels', num_classes=10),
    dict(type='PackSegInputs'),
]
tta_pipeline = [
    dict(type='LoadImageFromFile'),
    dict(
        type='TestTimeAug',
        transforms=[
            [dict(type='Resize', scale=scale, keep_ratio=True)],
            [dict(type='RandomFlip', prob=0.0), dict(type='RandomFlip', prob=1.0)],
            [dict(type='LoadAnnotations')],
            [dict(type='PackSegInputs')],
        ],
    ),
]
photos = dict(
    _delete_=True,
    type='BaseSegDataset',
    data_root='{folder}',
    data_prefix=dict(img_path='images', seg_map_path='labels'),
    metainfo=dict(classes={classes}, palette={palette}),
    pipeline=test_pipeline,
)
augmented = dict(photos, pipeline=train_pipeline)
train_dataloader = dict(num_workers=0, persistent_workers=False, batch_size=2, dataset=augmented)
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=photos)
test_dataloader = val_dataloader
"""


def make_run(folder: Path) -> Path:
    """Write ``images``, ``labels`` and ``run`` with config and checkpoint into a folder; give the run's folder."""
    for kind in ('images', 'labels', 'run'):
        (folder / kind).mkdir()
    for index, size in enumerate(((48, 72), (40, 40), (48, 72))):
        image, labels = paint_scene(np.random.default_rng(index), size, stop=index == 0)
        Image.fromarray(image[..., ::-1]).save(folder / f'images/scene{index}.jpg')
        Image.fromarray(labels).save(folder / f'labels/scene{index}.png')
    config = folder / 'run' / 'photos.py'
    text = CONFIG.format(repository=REPOSITORY, folder=folder, classes=CLASSES, palette=PALETTE)
    config.write_text(text)
    save_model(config, folder / 'run' / 'iter_6.pth')
    return folder / 'run'


def save_model(config: Path, path: Path) -> None:
    """Save the model of a config with random weights, as a training would."""
    torch.manual_seed(0)
    cfg = load_config(config)
    model = MODELS.build(cfg.model)
    for name, parameter in model.named_parameters():
        if 'conv_seg' in name:
            torch.nn.init.normal_(parameter, std=3)  # clear winners: no label hangs on the last bit
    save_checkpoint(
        {
            'state_dict': model.state_dict(),
            'meta': {'iter': 6, 'dataset_meta': {'classes': CLASSES, 'palette': PALETTE}},
        },
        str(path),
    )
