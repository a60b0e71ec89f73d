"""The parts of the SCASeg decoder, each against what it is said to compute."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scaseg.models.layers import (
    ContextBlend,
    CrossLayerBlock,
    FusedProjection,
    LocalPerception,
    StripCrossAttention,
    VanillaCrossAttention,
    pool_to_grid,
)

CHANNELS = (8, 16, 24)


def maps(*sizes: tuple[int, int], dtype: torch.dtype = torch.float32) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(2, c, *size, generator=generator, dtype=dtype) for c, size in zip(CHANNELS, sizes, strict=False)
    ]


def test_fused_projection_is_upsample_concat_project() -> None:
    inputs = maps((13, 17), (7, 9), (4, 5), dtype=torch.float64)
    fusion = FusedProjection(CHANNELS, 10).double()
    upsampled = [F.interpolate(x, size=(13, 17), mode='bilinear', align_corners=False) for x in inputs]
    weight = torch.cat([projection.weight for projection in fusion.projections], dim=1)
    expected = F.conv2d(torch.cat(upsampled, dim=1), weight)
    assert (fusion(inputs) - expected).norm() <= 1e-12 * expected.norm()


def test_blend_takes_encoder_maps_up_to_its_level_through_projections() -> None:
    inputs = maps((4, 5), (4, 5), (4, 5))
    blend = ContextBlend(CHANNELS, level=1)
    first, second, decoded = blend(inputs).split(CHANNELS, dim=1)
    torch.testing.assert_close(first, blend.projections['0'](inputs[0]))
    torch.testing.assert_close(second, blend.projections['1'](inputs[1]))
    assert torch.equal(decoded, inputs[2])  # D_3 enters as it is
    assert len(blend.projections) == 2


@pytest.mark.parametrize('source, out, projections', [('cross_layer', 48, 1), ('encoder', 48, 3), ('self', 8, 1)])
def test_blend_sources(source: str, out: int, projections: int) -> None:
    blend = ContextBlend(CHANNELS, level=0, source=source)
    assert blend(maps((3, 3), (3, 3), (3, 3))).shape[1] == blend.out_channels == out
    assert len(blend.projections) == projections


def test_blend_refuses_an_unknown_source() -> None:
    with pytest.raises(ValueError, match="source='decoder'"):
        ContextBlend(CHANNELS, level=0, source='decoder')


def test_pooling_averages_whole_and_cut_windows() -> None:
    x = torch.arange(15.0).reshape(1, 1, 3, 5)
    pooled = pool_to_grid(x, 2, (2, 3))
    assert pooled.flatten().tolist() == [3.0, 5.0, 6.5, 10.5, 12.5, 14.0]


def test_pooling_reaches_the_grid_of_an_encoder_that_rounds_down() -> None:
    assert pool_to_grid(torch.randn(1, 2, 25, 33), 8, (3, 4)).shape[-2:] == (3, 4)


def test_coarse_maps_are_interpolated_to_a_finer_grid() -> None:
    assert pool_to_grid(torch.randn(1, 2, 4, 5), 0.5, (7, 9)).shape[-2:] == (7, 9)


def test_strip_attention_layer_compresses_queries_and_keys_only() -> None:
    layer = StripCrossAttention(channels=16, kv_channels=24, num_heads=4)
    assert layer.query.weight.shape[:2] == (4, 16)
    assert layer.key.weight.shape[:2] == (4, 24)
    assert layer.value.weight.shape[:2] == (16, 24)
    assert layer.scale == (16 / 4) ** -0.5
    assert layer(torch.randn(2, 16, 5, 7), torch.randn(2, 24, 3, 2)).shape == (2, 16, 5, 7)


def test_strip_and_vanilla_agree_where_a_head_has_one_channel() -> None:
    strip = StripCrossAttention(6, 10, num_heads=6)
    vanilla = VanillaCrossAttention(6, 10, num_heads=6)
    vanilla.load_state_dict(strip.state_dict())
    x, context = torch.randn(2, 6, 5, 7), torch.randn(2, 10, 3, 2)
    torch.testing.assert_close(strip(x, context), vanilla(x, context), rtol=1e-5, atol=1e-6)


def test_attention_is_per_position_and_head() -> None:
    """Heads are blocks of channels, positions keep their place: against einsum on whole tensors."""
    layer = StripCrossAttention(channels=6, kv_channels=4, num_heads=2, qk_scale=0.7).double()
    x, context = torch.randn(1, 6, 3, 5, dtype=torch.float64), torch.randn(1, 4, 2, 2, dtype=torch.float64)
    q = torch.einsum('hc,bcxy->bhxy', layer.query.weight.squeeze(), x)
    k = torch.einsum('hc,bcuv->bhuv', layer.key.weight.squeeze(), context)
    v = torch.einsum('oc,bcuv->bouv', layer.value.weight.squeeze(), context).unflatten(1, (2, 3))
    weights = (0.7 * torch.einsum('bhxy,bhuv->bhxyuv', q, k)).flatten(-2).softmax(-1).unflatten(-1, (2, 2))
    mixed = torch.einsum('bhxyuv,bhduv->bhdxy', weights, v).flatten(1, 2)
    torch.testing.assert_close(layer(x, context), layer.proj(mixed))


@pytest.mark.parametrize(
    'switches, expected', [({}, True), (dict(local_position='serial'), True), (dict(local=None), False)], ids=str
)
def test_block_keeps_shape_and_trains_every_parameter(switches: dict, expected: bool) -> None:
    block = CrossLayerBlock(16, 40, num_heads=4, **switches)
    out = block(torch.randn(2, 16, 9, 5), torch.randn(2, 40, 3, 2))
    out.square().sum().backward()
    assert out.shape == (2, 16, 9, 5)
    assert hasattr(block, 'local_perception') is expected
    assert [name for name, p in block.named_parameters() if p.grad is None] == []


def test_block_leaves_the_residual_stream_unnormalised() -> None:
    """With zero updates a block is the identity, whatever the scale of its input."""
    block = CrossLayerBlock(16, 40, num_heads=4)
    for name, parameter in block.named_parameters():
        if name.startswith(('attention.proj', 'ffn.3', 'local_perception.3')):
            torch.nn.init.zeros_(parameter)
    x = 100 * torch.randn(2, 16, 9, 5)
    assert torch.equal(block(x, torch.randn(2, 40, 3, 2)), x)


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(num_heads=5), 'num_heads=5 does not divide the 16 channels'),
        (dict(num_heads=0), 'num_heads=0 does not divide the 16 channels'),
        (dict(num_heads=4, local_position='both'), "local_position='both'"),
        (dict(num_heads=4, attention=dict(type='StripeAttention')), "type='StripeAttention'"),
        (dict(num_heads=4, local=dict(kernel_size=4)), 'kernel_size=4'),
    ],
)
def test_block_names_the_argument_that_is_wrong(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        CrossLayerBlock(16, 40, **arguments)


def test_local_perception_kernel() -> None:
    layer = LocalPerception(8, kernel_size=5)
    assert layer[0].weight.shape == (8, 1, 5, 5)
    assert layer(torch.randn(2, 8, 6, 7)).shape == (2, 8, 6, 7)
