"""Test-time augmentation of a head that gives probabilities, as ``tools/test.py --tta`` runs it."""

from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

from scaseg.apis import test as evaluate
from scaseg.apis.config import load_config
from scaseg.errors import UserError

CONFIG = """
_base_ = '{repository}/configs/segvit/segvit_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

image_size = (40, 56)
model = dict(
    backbone=dict(dims=(8, 16, 24, 32)), decode_head=dict(in_channels=[8, 16, 24], embed_dims=16, num_layers=1)
)
test_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=2, image_size=image_size))
"""


@pytest.fixture
def config(tmp_path: Path) -> Path:
    path = tmp_path / 'tiny.py'
    path.write_text(CONFIG.format(repository=Path(__file__).parents[2]))
    return path


@pytest.fixture
def checkpoint(config: Path, tmp_path: Path) -> Path:
    path = tmp_path / 'weights.pth'
    torch.save(dict(state_dict=MODELS.build(load_config(config).model).state_dict()), path)
    return path


def test_probabilities_are_averaged(config: Path, checkpoint: Path, tmp_path: Path) -> None:
    assert 0 <= evaluate(config, checkpoint, tmp_path / 'run', tta=True)['mIoU'] <= 100


@pytest.mark.parametrize('segmentor', ['LeanEncoderDecoder', 'EncoderDecoder'])
def test_the_softmax_of_probabilities_is_refused(
    config: Path, checkpoint: Path, tmp_path: Path, segmentor: str
) -> None:
    options = {'tta_model.type': 'SegTTAModel', 'model.type': segmentor}
    with pytest.raises(UserError, match=r"tta_model\.type='SegTTAModel' .* ATMHead gives.*'LeanTTAModel'"):
        evaluate(config, checkpoint, tmp_path / 'run', tta=True, options=options)
