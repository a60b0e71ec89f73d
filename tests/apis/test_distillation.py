"""A distillation from end to end: its checkpoints are the student's, and it can be resumed without them changing."""

from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

from scaseg.apis import test as evaluate
from scaseg.apis import train
from scaseg.apis.config import load_config

NECK = "dict(type='FeatureUpsampler', in_channels=[8, 16, 24])"
DISTILLED = """
_base_ = './tiny.py'

model = dict(type='DistilledEncoderDecoder', neck={neck}, teacher=_base_.model, teacher_checkpoint='{checkpoint}')
train_dataloader = dict(dataset=dict(pipeline=[dict(type='PackSegInputs')]))
train_cfg = dict(max_iters=2)
default_hooks = dict(checkpoint=dict(save_best=None))
"""
PLAIN = "_base_ = './tiny.py'\n\nmodel = dict(type='HalfResolutionEncoderDecoder', neck={neck})\n"


@pytest.fixture
def distilled(config: Path) -> Path:
    """Config of a tiny distillation, whose teacher lies beside it."""
    checkpoint = config.with_name('teacher.pth')
    torch.save(MODELS.build(load_config(config).model).state_dict(), checkpoint)
    path = config.with_name('distilled.py')
    path.write_text(DISTILLED.format(neck=NECK, checkpoint=checkpoint))
    return path


def test_resumed_and_tested_as_a_plain_student(distilled: Path, tmp_path: Path) -> None:
    """In two halves it ends where it does unbroken; a config without a teacher reads what it leaves."""
    train(distilled, work_dir=tmp_path / 'whole')
    train(distilled, work_dir=tmp_path / 'halves', options={'train_cfg.max_iters': 1})
    train(distilled, work_dir=tmp_path / 'halves', resume='auto')
    last = tmp_path / 'halves' / 'iter_2.pth'
    whole, halves = (
        torch.load(path, weights_only=False)['state_dict'] for path in (tmp_path / 'whole' / 'iter_2.pth', last)
    )
    for name, tensor in whole.items():
        torch.testing.assert_close(halves[name], tensor, msg=name)

    plain = tmp_path / 'plain.py'
    plain.write_text(PLAIN.format(neck=NECK))
    assert list(halves) == list(MODELS.build(load_config(plain).model).state_dict())
    tmp_path.joinpath('teacher.pth').unlink()
    metrics = [evaluate(path, last, work_dir=tmp_path / path.stem) for path in (plain, distilled)]
    assert metrics[0] == metrics[1]
