"""SeaFormer: encoder, light fusion head, their costs and their errors."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from scaseg.apis.config import load_config
from scaseg.benchmarking import count_complexity
from scaseg.errors import UserError
from scaseg.models import LightFusionHead, SeaFormer
from scaseg.models.backbones.seaformer import InvertedResidual

CONFIGS = Path(__file__).parents[2] / 'configs/seaformer'
STAGES = [
    [(3, 1, 8, 1), (3, 4, 8, 2)],
    [(5, 3, 16, 2), (5, 3, 16, 1)],
    [(3, 3, 16, 2)],
    [(5, 3, 24, 2)],
    [(3, 6, 32, 2)],
]
SMALL = dict(stages=STAGES, stem_channels=8, depths=[2, 2], key_dims=[4, 6], num_heads=2, ffn_ratios=[2, 4])


def build(**changes: object) -> SeaFormer:
    return MODELS.build(dict(type='SeaFormer') | SMALL | changes)


@pytest.mark.parametrize('depths, strides', [([2, 2], [8, 32, 64]), ([1, 2, 1], [8, 16, 32, 64])], ids=['T', 'L'])
def test_levels(depths: list[int], strides: list[int]) -> None:
    size = dict(depths=depths, key_dims=[4] * len(depths), ffn_ratios=[2] * len(depths))
    encoder = build(**size)
    outputs = encoder(torch.randn(2, 3, 97, 131))
    assert encoder.strides == strides
    assert encoder.channels == [16, *(stage[-1][2] for stage in STAGES[-len(depths) :])]
    assert [x.shape[1] for x in outputs] == encoder.channels
    assert [x.shape[-2:] for x in outputs] == [(-(-97 // s), -(-131 // s)) for s in strides]


def test_context_sees_the_whole_map_and_detail_does_not() -> None:
    """A change in one corner reaches every position of a context map, but only its neighbourhood in the detail map."""
    model = build().eval()
    image = torch.rand(1, 3, 256, 256)
    changed = image.clone()
    changed[..., :8, :8] += 1
    with torch.no_grad():
        detail, context, _ = ((a - b).abs().amax(1)[0] for a, b in zip(model(image), model(changed), strict=True))
    assert (detail > 0).any() and not (detail[8:, 8:] > 0).any()
    assert (context[0] > 0).all() and (context[:, 0] > 0).all()


def test_initialisation_is_the_official_one() -> None:
    model = build(stem_channels=64, stages=[[(5, 1, 64, 1)], *STAGES[1:]])
    model.init_weights()
    depthwise, linear = model.stages[0][0]
    assert depthwise.conv.weight.std().item() == pytest.approx((2 / 25) ** 0.5, rel=0.1)
    assert linear.conv.weight.std().item() == pytest.approx((2 / 64) ** 0.5, rel=0.1)
    assert all((norm.weight == 1).all() for norm in model.modules() if isinstance(norm, nn.BatchNorm2d))


def test_drop_path_rises_within_each_stage() -> None:
    model = build(drop_path_rate=0.2, depths=[3, 2])
    rates = [[block.drop_path.drop_prob for block in stage] for stage in model.context]
    assert rates == [pytest.approx([0.0, 0.1, 0.2]), pytest.approx([0.0, 0.2])]


def test_inverted_residual() -> None:
    """A shortcut where stride and channels allow it, no expanding convolution for expansion 1."""
    norm_cfg = dict(type='BN')
    x = torch.randn(2, 8, 7, 9)
    for arguments, convolutions, shortcut in [
        ((8, 8, 3, 1, 1), 2, True),
        ((8, 8, 5, 2, 3), 3, False),
        ((8, 12, 3, 1, 4), 3, False),
    ]:
        block = InvertedResidual(*arguments, norm_cfg).eval()
        assert len(block) == convolutions
        branch = nn.Sequential.forward(block, x)
        torch.testing.assert_close(block(x), x + branch if shortcut else branch)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(key_dims=[4]), 'have 2, 1 and 2 entries'),
        (dict(depths=[1] * 4, key_dims=[4] * 4, ffn_ratios=[2] * 4), 'some of the 5 stages .* the first two'),
        (dict(depths=[], key_dims=[], ffn_ratios=[]), 'some of the 5 stages'),
    ],
)
def test_encoder_errors_name_the_argument(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


class TestLightFusionHead:
    @staticmethod
    def build(**changes: object) -> LightFusionHead:
        head = dict(type='LightFusionHead', in_channels=[8, 16, 24], embed_dims=[12, 20], num_classes=5)
        return MODELS.build(head | changes)

    def test_the_detail_map_is_gated_by_one_context_map_after_the_other(self) -> None:
        head = self.build().eval()
        inputs = [torch.randn(2, c, *size) for c, size in zip((8, 16, 24), ((13, 9), (4, 3), (2, 2)), strict=True)]
        expected = inputs[0]
        for fusion, context in zip(head.fusions, inputs[1:], strict=True):
            gate = ((fusion.gate(context) + 3) / 6).clamp(0, 1)
            expected = fusion.detail(expected) * F.interpolate(gate, size=(13, 9), mode='bilinear')
        scale = head.channel_scale
        expected = F.relu(scale.bn(expected * scale.conv.weight.view(1, 20, 1, 1)))
        torch.testing.assert_close(head(inputs), head.conv_seg(expected))

    def test_errors(self) -> None:
        with pytest.raises(ValueError, match='one entry for each level after the first'):
            self.build(embed_dims=[12])
        maps: list[Tensor] = [torch.randn(1, c, 4, 4) for c in (8, 16, 32)]
        with pytest.raises(UserError, match=r'in_channels=\[8, 16, 24\], but the encoder gives maps of \[8, 16, 32\]'):
            self.build()(maps)


@pytest.mark.parametrize(
    'size, parameters, quoted', [('t', 1.667, 0.597), ('s', 3.990, 1.075), ('b', 8.606, 1.811), ('l', 13.952, 6.482)]
)
def test_costs_are_the_published_ones(size: str, parameters: float, quoted: float) -> None:
    cfg = load_config(CONFIGS / f'seaformer_seaformer-{size}_8xb2-160k_ade20k-512x512.py')
    cfg.model.pretrained = None
    complexity = count_complexity(MODELS.build(cfg.model), (512, 512))
    assert complexity.parameters['model'] / 1e6 == pytest.approx(parameters, rel=1e-3)
    assert complexity.quoted['model'] / 1e9 == pytest.approx(quoted, rel=0.002)
