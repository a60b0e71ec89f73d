"""SegFormerMLPHead: the function of the official head, its parameters, fewer products."""

import re
from pathlib import Path

import pytest
import torch
from mmseg.models.decode_heads import SegformerHead
from mmseg.registry import MODELS
from torch import Tensor
from torch.utils.flop_counter import FlopCounterMode

from scaseg.errors import UserError
from scaseg.models import SegFormerMLPHead

CONFIGS = Path(__file__).parents[2] / 'configs/segformer'
CHANNELS = [8, 16, 40, 64]


def build(in_channels: list[int] = CHANNELS, channels: int = 24, num_classes: int = 7) -> SegFormerMLPHead:
    cfg = dict(type='SegFormerMLPHead', in_channels=in_channels, channels=channels, num_classes=num_classes)
    return MODELS.build(cfg | dict(norm_cfg=dict(type='BN')))


def official(ours: SegFormerMLPHead) -> SegformerHead:
    """mmseg's head with the weights of ours. Its norm after the first layers is made to add the bias and no more."""
    theirs = SegformerHead(
        in_channels=ours.in_channels,
        in_index=list(range(len(ours.in_channels))),
        channels=ours.channels,
        num_classes=ours.num_classes,
        norm_cfg=dict(type='BN'),
        act_cfg=None,  # of the first layers alone
    ).to(ours.conv_seg.weight.dtype)
    with torch.no_grad():
        for conv, linear in zip(theirs.convs, ours.linears, strict=True):
            conv.conv.weight.copy_(linear.weight)
            conv.bn.weight.fill_((1 + conv.bn.eps) ** 0.5)
            conv.bn.bias.copy_(linear.bias)
        theirs.fusion_conv.conv.weight.copy_(torch.cat([p.weight for p in ours.fusion.projections], dim=1))
    theirs.fusion_conv.bn.load_state_dict(ours.fusion_norm.state_dict())
    theirs.conv_seg.load_state_dict(ours.conv_seg.state_dict())
    return theirs.eval()


def features(sizes: list[tuple[int, int]], dtype: torch.dtype = torch.float64) -> list[Tensor]:
    return [torch.randn(2, c, *size, dtype=dtype) for c, size in zip(CHANNELS, sizes, strict=True)]


@pytest.mark.parametrize(
    'sizes', [[(24, 32), (12, 16), (6, 8), (3, 4)], [(25, 33), (13, 17), (7, 9), (4, 5)], [(1, 1)] * 4], ids=str
)
def test_same_function_as_upsampling_first(sizes: list[tuple[int, int]]) -> None:
    ours = build().double().eval()
    for name, tensor in ours.state_dict().items():
        if name.startswith('fusion_norm') and tensor.is_floating_point():
            tensor.uniform_(0.5, 1.5)
    inputs = features(sizes)
    expected = official(ours)(inputs)
    torch.testing.assert_close(ours(inputs), expected, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize(
    'in_channels, channels',
    [([32, 64, 160, 256], 256), ([64, 128, 320, 512], 256), ([64, 128, 320, 512], 768)],
    ids=['B0', 'B1', 'B2 to B5'],
)
def test_parameters_are_those_of_the_official_head(in_channels: list[int], channels: int) -> None:
    """Without its classifier that is never used."""
    head = build(in_channels, channels, num_classes=150)
    linear = sum(c * channels + channels for c in in_channels)
    fusion = 4 * channels * channels + 2 * channels
    assert sum(p.numel() for p in head.parameters()) == linear + fusion + channels * 150 + 150


@pytest.mark.parametrize(
    'size, channels, parameters, macs',
    [
        (0, 256, 3.75, 8.4),
        (1, 256, 13.72, 15.9),
        (2, 768, 27.47, 62.4),
        (3, 768, 47.34, 79.0),
        (4, 768, 64.11, 95.7),
        (5, 768, 84.71, 112.0),
    ],
)
def test_costs_against_the_official_models(size: int, channels: int, parameters: float, macs: float) -> None:
    """Parameters (M) are the official ones, products (G) too but for those that the three upsampled levels save.

    Ours stand in the header of the config, which ``tests/test_configs.py`` checks.
    """
    header = (CONFIGS / f'segformer_mit-b{size}_8xb2-160k_ade20k-512x512.py').read_text()
    ours = re.search(r'# ([\d.]+) M parameters, ([\d.]+) GMACs at 512x512', header)
    saved = sum(128**2 - side**2 for side in (64, 32, 16)) * channels**2 / 1e9
    assert float(ours[1]) == pytest.approx(parameters, rel=1e-2)
    assert float(ours[2]) + saved == pytest.approx(macs, rel=1e-2)


def test_products_are_done_before_the_upsampling() -> None:
    ours, sizes = build().double().eval(), [(24, 32), (12, 16), (6, 8), (3, 4)]
    with FlopCounterMode(display=False) as counter:
        ours(features(sizes))
    positions = [2 * height * width for height, width in sizes]
    fused = sum(n * (c * 24 + 24 * 24) for n, c in zip(positions, CHANNELS, strict=True))
    assert counter.get_total_flops() // 2 == fused + positions[0] * 24 * 7


def test_maps_of_another_encoder_are_refused() -> None:
    with pytest.raises(UserError, match=r'in_channels=\[8, 16, 40, 64\], but the encoder gives .*\[8, 16, 40, 32\]'):
        build()([torch.randn(2, c, 4, 4) for c in (8, 16, 40, 32)])


def test_any_number_of_levels() -> None:
    head = build([8, 16], 24)
    assert head([torch.randn(2, 8, 9, 7), torch.randn(2, 16, 5, 4)]).shape == (2, 7, 9, 7)


def test_it_starts_as_the_official_head() -> None:
    """The fusion by Kaiming's rule with the fan-out; the classifier as PyTorch makes it, which has a bias, too."""
    head = build(channels=256)
    head.init_weights()
    for projection in head.fusion.projections:
        assert projection.weight.std().item() == pytest.approx((2 / 256) ** 0.5, rel=0.02)
    assert head.conv_seg.weight.abs().max().item() == pytest.approx(256**-0.5, rel=0.02)
    assert head.conv_seg.bias.abs().max() > 0
