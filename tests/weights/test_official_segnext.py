"""Checkpoints of SegNeXt as mmseg trains them, and as its authors' code names their tensors."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.weights.official import convert_official
from scaseg.weights.official.segnext import convert_segnext

MODEL = Path(__file__).parents[2] / 'configs' / '_base_' / 'models' / 'segnext_mscan-t.py'
SMALL_BACKBONE = dict(embed_dims=[8, 16, 24, 32], mlp_ratios=[2] * 4, depths=[1, 2, 1, 1], norm_cfg=dict(type='BN'))
SMALL_HEAD = dict(in_channels=[16, 24, 32], channels=32, num_classes=5)


def settings() -> Config:
    model = Config.fromfile(MODEL).model
    model.backbone.update(SMALL_BACKBONE)
    model.decode_head.update(SMALL_HEAD)
    return model


def ours() -> EncoderDecoder:
    model = settings()
    model.decode_head.hamburger.rand_eval = True  # to be compared with the official evaluation
    return MODELS.build(model)


def theirs() -> EncoderDecoder:
    """mmseg's segmentor of the same sizes, every tensor of it at random."""
    model = settings()
    model.pop('pretrained')
    model.type = 'EncoderDecoder'
    model.decode_head.type = 'LightHamHead'
    rank = model.decode_head.pop('hamburger').rank
    model.decode_head.update(ham_channels=SMALL_HEAD['channels'], ham_kwargs=dict(MD_R=rank))
    built = MODELS.build(model)
    for tensor in built.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) * 0.1 + 0.01)  # positive: some are variances
    return built


def in_the_authors_layout(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Their depthwise convolution is a module of its own inside the feed-forward network."""
    return {name.replace('.mlp.dwconv.', '.mlp.dwconv.dwconv.'): tensor for name, tensor in state.items()}


@pytest.mark.parametrize('layout', [dict, in_the_authors_layout], ids=['mmseg', 'authors'])
@torch.no_grad()
def test_the_converted_model_computes_the_same(layout, tmp_path: Path) -> None:
    source, model = theirs().eval(), ours().eval()
    torch.save({'state_dict': layout(source.state_dict()), 'meta': {}}, tmp_path / 'official.pth')
    model.load_state_dict(convert_official(model, tmp_path / 'official.pth'))
    image = torch.randn(1, 3, 64, 96)
    torch.manual_seed(1)
    expected = source(image)
    torch.manual_seed(1)
    torch.testing.assert_close(model(image), expected, rtol=1e-5, atol=1e-6)


def test_the_layouts_differ_and_what_is_unknown_passes() -> None:
    state = theirs().state_dict()
    official = in_the_authors_layout(state)
    assert set(official) != set(state)
    converted = convert_segnext(official | {'ema_decode_head.conv_seg.weight': torch.zeros(1)})
    assert set(converted) == {*state, 'ema_decode_head.conv_seg.weight'}
