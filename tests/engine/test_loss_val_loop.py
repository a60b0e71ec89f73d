"""Validation loss, and what can hang on it: the best checkpoint and the end of the training."""

from pathlib import Path

import pytest
import torch
from mmseg.registry import DATASETS, MODELS

from scaseg.apis import train
from scaseg.apis.config import load_config
from scaseg.errors import UserError
from scaseg.visualization import read_scalars

CONFIG = """
_base_ = '{repository}/configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

crop_size = (64, 96)
model = dict(data_preprocessor=dict(size=crop_size), backbone=dict(dims=(8, 16, 24, 32)),
             decode_head=dict(in_channels=[8, 16, 24], channels=16))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                        dataset=dict(size=4, image_size=crop_size))
val_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                      dataset=dict(size=3, image_size=crop_size))
train_cfg = dict(max_iters=4, val_interval=1)
val_cfg = dict(type='LossValLoop')
default_hooks = dict(checkpoint=dict(interval=1, max_keep_ckpts=9), logger=dict(interval=1))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG.format(repository=Path(__file__).parents[2]))
    return path


def test_loss_and_terms_are_means_over_the_images(config: Path, tmp_path: Path) -> None:
    train(config, tmp_path / 'run', options={'train_cfg.max_iters': 1})
    logged = read_scalars(tmp_path / 'run').val
    cfg = load_config(config)
    model = MODELS.build(cfg.model).eval()
    model.load_state_dict(torch.load(tmp_path / 'run/iter_1.pth', weights_only=False)['state_dict'])
    total, images = 0.0, DATASETS.build(cfg.val_dataloader.dataset)
    for image in images:
        data = model.data_preprocessor(dict(inputs=[image['inputs']], data_samples=[image['data_samples']]))
        with torch.no_grad():
            total += model.loss(**data)['decode.loss_ce'].item()
    assert len(images) == 3
    assert logged['val_loss'].values[0] == pytest.approx(total / 3, rel=1e-6)
    assert logged['val_decode.loss_ce'].values[0] == logged['val_loss'].values[0]
    assert logged['mIoU'].steps.tolist() == [1]


def test_best_checkpoints_of_both(config: Path, tmp_path: Path) -> None:
    best = {'save_best': ['mIoU', 'val_loss'], 'rule': ['greater', 'less']}
    train(config, tmp_path / 'run', options={f'default_hooks.checkpoint.{key}': value for key, value in best.items()})
    val = read_scalars(tmp_path / 'run').val
    for name, choose in (('mIoU', 'argmax'), ('val_loss', 'argmin')):
        step = val[name].steps[getattr(val[name].values, choose)()]
        assert [path.name for path in (tmp_path / 'run').glob(f'best_{name}*')] == [f'best_{name}_iter_{step}.pth']


def test_the_training_ends_where_the_loss_falls_no_more(config: Path, tmp_path: Path) -> None:
    with config.open('a') as file:
        file.write("custom_hooks = [dict(type='EarlyStoppingHook', monitor='val_loss', min_delta=99.0, patience=1)]\n")
    train(config, tmp_path / 'run')
    assert read_scalars(tmp_path / 'run').val['val_loss'].steps.tolist() == [1, 2]


def test_the_largest_loss_is_not_the_best(config: Path, tmp_path: Path) -> None:
    options = {'default_hooks.checkpoint.save_best': 'val_loss'}
    with pytest.raises(UserError, match=r"save_best='val_loss' with rule='greater' keeps the worst.*rule='less'"):
        train(config, tmp_path / 'run', options=options)


@pytest.mark.parametrize(
    'options, message',
    [
        ({'default_hooks.checkpoint.save_best': 'mIou'}, r"save_best='mIou': a validation gives .*mIoU"),
        (
            {'default_hooks.checkpoint.save_best': 'val_loss', 'default_hooks.checkpoint.rule': 'less'},
            r'val_loss.*LossValLoop',
        ),
        ({'custom_hooks': [dict(type='EarlyStoppingHook', monitor='val_loss')]}, r"monitor='val_loss': .*LossValLoop"),
    ],
    ids=['misspelt', 'without its loop', 'early stopping'],
)
def test_a_figure_that_no_validation_gives_is_refused_at_once(
    config: Path, tmp_path: Path, options: dict, message: str
) -> None:
    config.write_text(config.read_text().replace('LossValLoop', 'ValLoop'))
    with pytest.raises(UserError, match=message):
        train(config, tmp_path / 'run', options=options)
    assert not list((tmp_path / 'run').glob('*.pth'))


def test_padded_images_are_refused(config: Path, tmp_path: Path) -> None:
    options = {'model.data_preprocessor.test_cfg': dict(size_divisor=64), 'train_cfg.max_iters': 1}
    with pytest.raises(UserError, match=r'LossValLoop: .*pads the images'):
        train(config, tmp_path / 'run', options=options)
