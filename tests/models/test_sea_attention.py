"""SEA attention against a form of loops over images, heads and positions, in double precision."""

import math

import pytest
import torch
from mmcv.cnn import ConvModule
from torch import Tensor, nn

from scaseg.models.layers import SEAAttention, SEABlock


def randomise(module: nn.Module) -> nn.Module:
    """Norms with statistics and weights of their own, in evaluation and double precision."""
    for norm in module.modules():
        if isinstance(norm, nn.BatchNorm2d):
            nn.init.normal_(norm.running_mean)
            nn.init.uniform_(norm.running_var, 0.5, 2.0)
            nn.init.normal_(norm.weight)
            nn.init.normal_(norm.bias)
    return module.double().eval()


def relu6(x: float) -> float:
    return min(max(x, 0.0), 6.0)


def norm(layer: nn.BatchNorm2d, channel: int, value: float) -> float:
    value = (value - layer.running_mean[channel]) / math.sqrt(layer.running_var[channel] + layer.eps)
    return float(layer.weight[channel] * value + layer.bias[channel])


def pointwise(layer: ConvModule, vector: list[float]) -> list[float]:
    """1×1 convolution and norm at one position."""
    weight = layer.conv.weight[:, :, 0, 0]
    return [
        norm(layer.bn, o, sum(float(w) * value for w, value in zip(row, vector, strict=True)))
        for o, row in enumerate(weight)
    ]


def position_embedding(table: Tensor, channel: int, position: int, length: int) -> float:
    """Entry of a table of 16 for a position among ``length``, linear between entries' centres."""
    at = min(max((position + 0.5) * 16 / length - 0.5, 0.0), 15.0)
    low = int(at)
    high = min(low + 1, 15)
    return float(table[0, channel, low] * (1 - (at - low)) + table[0, channel, high] * (at - low))


def axis_attention(branch: nn.Module, q: list, k: list, v: list, heads: int) -> list[list[float]]:
    """Attention over positions; q, k and v are lists of channel vectors, one for each position."""
    length, width = len(q), len(q[0]) // heads
    q, k = (
        [[c + position_embedding(table, i, p, length) for i, c in enumerate(vector)] for p, vector in enumerate(x)]
        for x, table in ((q, branch.query_pos_embed), (k, branch.key_pos_embed))
    )
    outputs = []
    for p in range(length):
        mixed = []
        for head in range(heads):
            channels = range(head * width, (head + 1) * width)
            logits = [sum(q[p][c] * k[other][c] for c in channels) / math.sqrt(width) for other in range(length)]
            total = sum(map(math.exp, logits))
            for c in range(head * 2 * width, (head + 1) * 2 * width):
                mixed.append(sum(math.exp(logits[other]) / total * v[other][c] for other in range(length)))
        outputs.append(pointwise(branch.proj, [relu6(value) for value in mixed]))
    return outputs


def detail(layers: nn.Sequential, qkv: list, height: int, width: int, y: int, x: int) -> list[float]:
    """Depthwise 3×3 convolution, norm, ReLU6 and 1×1 convolution at one position; zeros around the map."""
    depthwise, linear = layers
    filtered = []
    for c in range(len(qkv[0][0])):
        total = 0.0
        for dy in (-1, 0, 1):
            for dx in (-1, 0, 1):
                if 0 <= y + dy < height and 0 <= x + dx < width:
                    total += float(depthwise.conv.weight[c, 0, dy + 1, dx + 1]) * qkv[y + dy][x + dx][c]
        filtered.append(relu6(norm(depthwise.bn, c, total)))
    return pointwise(linear, filtered)


def mean(vectors: list) -> list[float]:
    return [sum(values) / len(vectors) for values in zip(*vectors, strict=True)]


def by_loops(layer: SEAAttention, image: Tensor, heads: int) -> Tensor:
    """SEA attention of one image (C, H, W)."""
    _, height, width = image.shape
    q, k, v = (
        [[pointwise(projection, image[:, y, x].tolist()) for x in range(width)] for y in range(height)]
        for projection in (layer.query, layer.key, layer.value)
    )
    rows = axis_attention(layer.rows, *([mean(x[y]) for y in range(height)] for x in (q, k, v)), heads)
    columns = axis_attention(
        layer.columns,
        *([mean([x[y][i] for y in range(height)]) for i in range(width)] for x in (q, k, v)),
        heads,
    )
    qkv = [[q[y][x] + k[y][x] + v[y][x] for x in range(width)] for y in range(height)]
    out = torch.empty_like(image)
    for y in range(height):
        for x in range(width):
            joined = [sum(parts) for parts in zip(v[y][x], rows[y], columns[x], strict=True)]
            gate = pointwise(layer.gate, [relu6(value) for value in joined])
            kept = detail(layer.detail, qkv, height, width, y, x)
            gated = [relu6(g + 3) / 6 * d for g, d in zip(gate, kept, strict=True)]
            out[:, y, x] = torch.tensor(gated, dtype=image.dtype)
    return out


@pytest.mark.parametrize('size', [(3, 5), (1, 4), (20, 1)], ids=str)
def test_attention_is_the_loop_form(size: tuple[int, int]) -> None:
    layer = randomise(SEAAttention(channels=6, key_channels=4, num_heads=2))
    images = torch.randn(2, 6, *size, dtype=torch.float64)
    with torch.no_grad():
        expected = torch.stack([by_loops(layer, image, heads=2) for image in images])
        torch.testing.assert_close(layer(images), expected, rtol=1e-10, atol=1e-12)


def test_heads_have_to_divide_the_keys() -> None:
    with pytest.raises(ValueError, match='num_heads=3 does not divide the 8 channels'):
        SEAAttention(channels=6, key_channels=8, num_heads=3)


def test_block_trains_every_parameter() -> None:
    block = SEABlock(16, key_channels=8, num_heads=2, drop_path=0.1)
    out = block(torch.randn(2, 16, 9, 5))
    out.square().sum().backward()
    assert out.shape == (2, 16, 9, 5)
    assert [name for name, p in block.named_parameters() if p.grad is None] == []


def test_block_leaves_the_residual_stream_unnormalised() -> None:
    """With zero updates a block is the identity, whatever the scale of its input."""
    block = SEABlock(16, key_channels=8, num_heads=2)
    for last in (block.attention.detail[-1].bn, block.ffn[-1].bn):
        nn.init.zeros_(last.weight)
    x = 100 * torch.randn(2, 16, 9, 5)
    assert torch.equal(block(x), x)
