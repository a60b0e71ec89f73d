"""SCASegHead: its switches, its figures and its errors."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.errors import UserError
from scaseg.models import SCASegHead

SMALL = dict(in_channels=[8, 16, 40, 64], channels=24, num_classes=7, norm_cfg=dict(type='BN'))


def build(**changes: object) -> SCASegHead:
    return MODELS.build(dict(type='SCASegHead') | SMALL | changes)


def features(channels: list[int], sizes: list[tuple[int, int]]) -> list[Tensor]:
    return [torch.randn(2, c, *size) for c, size in zip(channels, sizes, strict=True)]


def count(head: SCASegHead) -> tuple[int, int]:
    """Parameters of the skeleton, and of local perception."""
    local = sum(p.numel() for block in head.blocks for p in block.local_perception.parameters())
    return sum(p.numel() for p in head.parameters()) - local, local


@pytest.mark.parametrize(
    'in_channels, channels, skeleton',
    [
        ([32, 64, 160, 256], 128, 1_388_502),
        ([64, 128, 320, 512], 128, 5_280_534),
        ([64, 128, 320, 512], 768, 6_033_174),
    ],
    ids=['MiT-B0, MSCAN-T', 'MiT-B1, MSCAN-S/B/L', 'MiT-B2 to B5'],
)
def test_parameters(in_channels: list[int], channels: int, skeleton: int) -> None:
    """The relatives of SCASeg give 1.42, 5.29 and 6.04 M at most without local perception (docs/scaseg.md)."""
    head = build(in_channels=in_channels, channels=channels, num_classes=150)
    local = sum(9 * c + 2 * c + c * c + c for c in in_channels)
    assert count(head) == (skeleton, local)


def test_levels_see_encoder_maps_below_and_decoded_maps_above() -> None:
    """M_i: replacing F_1 changes every D; replacing F_4 reaches the shallower levels only through D_4."""
    head = build(block=dict(drop_path=0.0)).eval()
    inputs = features(SMALL['in_channels'], [(24, 32), (12, 16), (6, 8), (3, 4)])
    seen = {}
    for i, context in enumerate(head.contexts):
        context.register_forward_hook(lambda module, args, out, i=i: seen.__setitem__(i, [x.clone() for x in args[0]]))
    decoded = {}
    for i, block in enumerate(head.blocks):
        block.register_forward_hook(lambda module, args, out, i=i: decoded.__setitem__(i, out))
    head(inputs)
    assert torch.equal(seen[3][3], inputs[3])
    assert torch.equal(seen[2][3], decoded[3])
    assert torch.equal(seen[0][3], decoded[3])
    torch.testing.assert_close(seen[0][1], torch.nn.functional.avg_pool2d(decoded[1], 4))
    torch.testing.assert_close(seen[1][0], torch.nn.functional.avg_pool2d(inputs[0], 8))


def test_encoder_source_never_sees_decoded_maps() -> None:
    head = build(context=dict(source='encoder')).eval()
    inputs = features(SMALL['in_channels'], [(24, 32), (12, 16), (6, 8), (3, 4)])
    seen = []
    head.contexts[0].register_forward_hook(lambda module, args, out: seen.extend(args[0]))
    head(inputs)
    assert torch.equal(seen[3], inputs[3])


@pytest.mark.parametrize('kv_stride, grid', [(32, (4, 5)), (16, (7, 9)), (8, (13, 17)), (4, (25, 33)), (None, (4, 5))])
def test_kv_stride_sets_the_grid(kv_stride: int | None, grid: tuple[int, int]) -> None:
    head = build(kv_stride=kv_stride)
    sizes = []
    for context in head.contexts:
        context.register_forward_hook(lambda module, args, out: sizes.append(tuple(out.shape[-2:])))
    out = head(features(SMALL['in_channels'], [(25, 33), (13, 17), (7, 9), (4, 5)]))
    assert sizes == [grid] * 4
    assert out.shape == (2, 7, 25, 33)


@pytest.mark.parametrize(
    'changes',
    [
        dict(block=dict(attention=dict(type='VanillaCrossAttention'))),
        dict(context=dict(source='self')),
        dict(block=dict(local=None)),
        dict(block=dict(local=dict(kernel_size=5), local_position='serial')),
        dict(block=dict(ffn=dict(ratio=2.0), attention=dict(qk_scale=1.0))),
    ],
    ids=str,
)
def test_switches_leave_no_parameter_without_a_gradient(changes: dict) -> None:
    head = build(**changes)
    head(features(SMALL['in_channels'], [(25, 33), (13, 17), (7, 9), (4, 5)])).square().mean().backward()
    assert [name for name, p in head.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize('levels', [2, 3, 5])
def test_any_number_of_levels(levels: int) -> None:
    channels, strides = [8 * 2**i for i in range(levels)], [2 * 2**i for i in range(levels)]
    head = build(in_channels=channels, num_heads=[2] * levels, strides=strides)
    out = head(features(channels, [(-(-97 // s), -(-64 // s)) for s in strides]))
    assert out.shape == (2, 7, 49, 32)


def test_an_encoder_that_rounds_down() -> None:
    out = build()(features(SMALL['in_channels'], [(25, 33), (12, 16), (6, 8), (3, 4)]))
    assert out.shape == (2, 7, 25, 33)


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(num_heads=[1, 2, 6, 8]), r'in_channels\[2\]=40, num_heads\[2\]=6: num_heads=6 does not divide the 40'),
        (dict(num_heads=[1, 2]), 'have 4, 2 and 4 entries'),
        (dict(strides=[4, 8, 16, 16]), 'twice the stride'),
        (dict(kv_stride=64), 'kv_stride=64 is not one of the strides'),
        (dict(in_channels=[8], num_heads=[1], strides=[4]), 'two levels'),
        (dict(context=dict(source='all')), "source='all'"),
        (dict(block='CrossLayerBlock'), "'CrossLayerBlock': expected the config of a block"),
        (dict(block=dict(type='MyBlock')), "type='MyBlock': no block is registered under this name"),
    ],
    ids=str,
)
def test_errors_name_the_argument(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_maps_of_another_encoder_are_refused() -> None:
    with pytest.raises(UserError, match=r'in_channels=\[8, 16, 40, 64\], but the encoder gives .*\[8, 16, 40, 32\]'):
        build()(features([8, 16, 40, 32], [(24, 32), (12, 16), (6, 8), (3, 4)]))
