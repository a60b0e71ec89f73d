"""Recomputed attention weights give what the layers give."""

import pytest
import torch
from torch import Tensor, nn

from scaseg.models.attention_weights import attention_of, query_size, recorded_attention, strip_curve, strip_scalars
from scaseg.models.layers import (
    AttentionToMask,
    CrissCrossAttention,
    SEAAttention,
    StripCrossAttention,
    VanillaCrossAttention,
)
from scaseg.models.strip_statistics import strip_statistics
from scaseg.ops import criss_cross


def one_hot(size: tuple[int, int], row: int, column: int) -> Tensor:
    share = torch.zeros(size)
    share[row, column] = 1
    return share


def record(layer: nn.Module, *inputs: Tensor):
    """The call of a layer, and its output."""
    with recorded_attention(nn.ModuleDict({'layer': layer})) as calls, torch.no_grad():
        output = layer(*inputs)
    (call,) = calls
    assert call.name == 'layer'
    return call, output


@pytest.mark.parametrize('kind, name', [(StripCrossAttention, 'strip'), (VanillaCrossAttention, 'vanilla')])
def test_cross_attention(kind: type[VanillaCrossAttention], name: str) -> None:
    layer = kind(12, 7, num_heads=3)
    call, output = record(layer, 3 * torch.randn(1, 12, 5, 6), torch.randn(1, 7, 3, 4))
    assert query_size(call) == (5, 6) and call.kind == name
    weights = attention_of(call, one_hot((5, 6), 4, 1))
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(3))
    values = layer.value(call.inputs[1])[0].flatten(1).unflatten(0, (3, -1))
    looked = torch.einsum('hm,hdm->hd', weights.flatten(1), values).flatten()
    torch.testing.assert_close(layer.proj(looked[None, :, None, None])[0, :, 0, 0], output[0, :, 4, 1])


def test_the_mean_over_queries() -> None:
    call, _ = record(StripCrossAttention(4, 4, 2), torch.randn(1, 4, 3, 3), torch.randn(1, 4, 2, 2))
    single = [attention_of(call, one_hot((3, 3), row, column)) for row, column in ((0, 1), (2, 2))]
    share = 0.25 * one_hot((3, 3), 0, 1) + 0.75 * one_hot((3, 3), 2, 2)
    torch.testing.assert_close(attention_of(call, share), 0.25 * single[0] + 0.75 * single[1])


def test_strip_attention_lies_on_its_curve() -> None:
    layer = StripCrossAttention(12, 7, num_heads=3)
    call, output = record(layer, 3 * torch.randn(1, 12, 5, 6), torch.randn(1, 7, 3, 4))
    queries, keys = strip_scalars(call)
    assert queries.shape == (1, 3, 30) and keys.shape == (1, 3, 12)
    on_curve = strip_curve(call, queries[0])  # (h, N, d)
    output_of_curve = layer.proj(on_curve.transpose(1, 2).reshape(1, 12, 5, 6))
    torch.testing.assert_close(output_of_curve, output, rtol=1e-4, atol=1e-5)


def test_criss_cross_attention() -> None:
    layer = CrissCrossAttention(16)
    call, _ = record(layer, torch.randn(1, 16, 4, 5))
    x = call.inputs[0]
    expected = criss_cross(layer.query_conv(x), layer.key_conv(x), layer.value_conv(x))[0, :, 2, 3]
    weights = attention_of(call, one_hot((4, 5), 2, 3))
    assert (weights > 0).sum() == 4 + 5 - 1
    torch.testing.assert_close(torch.einsum('hw,chw->c', weights[0], layer.value_conv(x)[0]), expected)
    spread = torch.rand(4, 5)
    spread /= spread.sum()
    rows = sum(spread[r, c] * attention_of(call, one_hot((4, 5), r, c)) for r in range(4) for c in range(5))
    torch.testing.assert_close(attention_of(call, spread), rows)


def test_squeezed_axial_attention() -> None:
    layer = SEAAttention(16, key_channels=8, num_heads=2).eval()
    call, _ = record(layer, torch.randn(1, 16, 4, 6))
    x = call.inputs[0]
    q, k, v = layer.query(x), layer.key(x), layer.value(x)
    gathered: list[Tensor] = []
    layer.rows.proj.register_forward_pre_hook(lambda _, inputs: gathered.append(inputs[0]))
    layer.rows(q.mean(-1), k.mean(-1), v.mean(-1))
    weights = attention_of(call, one_hot((4, 6), 1, 5))
    torch.testing.assert_close(weights.sum((1, 2)), torch.ones(2))
    rows = 2 * (weights.sum(2) - 0.5 / 4)
    looked = torch.einsum('hl,hdl->hd', rows, v.mean(-1)[0].unflatten(0, (2, -1))).flatten()
    torch.testing.assert_close(torch.nn.functional.relu6(looked), gathered[0][0, :, 1, 0])


def test_attention_to_mask() -> None:
    layer = AttentionToMask(8, num_heads=2).eval()
    call, (gathered, _) = record(layer, torch.randn(1, 5, 8), torch.randn(1, 12, 8))
    assert query_size(call) == (1, 5)
    weights = attention_of(call, one_hot((1, 5), 0, 3), grid=(3, 4))
    values = layer._heads(layer.v(call.inputs[1]))[0]
    looked = torch.einsum('hm,hmd->hd', weights.flatten(1), values).flatten()
    torch.testing.assert_close(layer.proj(looked), gathered[0, 3])


def test_statistics_of_known_weights() -> None:
    layer = StripCrossAttention(2, 2, num_heads=2, qk_scale=1.0)
    for convolution in (layer.query, layer.key):
        nn.init.constant_(convolution.weight, 0)
    layer.query.weight.data[0, 0] = layer.key.weight.data[0, 0] = 10  # head 0 is sharp, head 1 is blind
    context = torch.zeros(1, 2, 1, 4)
    context[0, 0, 0] = torch.tensor([-1.0, 0, 0, 1])
    x = torch.ones(1, 2, 2, 2)
    x[0, 0, 0, 0] = 0  # one query of four sees all keys alike
    statistics = strip_statistics(record(layer, x, context)[0])
    assert statistics.saturated == pytest.approx([0.75, 0])
    assert statistics.entropy == pytest.approx([0.25, 1], abs=1e-4)
    assert statistics.query_spread == pytest.approx([5, 0])
    assert statistics.key_spread[1] == 0
