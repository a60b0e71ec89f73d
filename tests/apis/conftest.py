"""A training small enough for a test: a real config of the repository, cut down."""

from pathlib import Path

import pytest

CONFIG = """
_base_ = '{repository}/configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

crop_size = (64, 96)
model = dict(data_preprocessor=dict(size=crop_size), backbone=dict(dims=(8, 16, 24, 32)),
             decode_head=dict(in_channels=[8, 16, 24], channels=16))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                        dataset=dict(size=8, image_size=crop_size))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=3, image_size=crop_size))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=6, val_interval=3)
default_hooks = dict(checkpoint=dict(interval=3), logger=dict(interval=1))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG.format(repository=Path(__file__).parents[2]))
    return path
