"""The layers of SCASeg: Strip Cross-Attention for Efficient Semantic Segmentation (arXiv 2411.17061, IEEE TIP 2026).

For the levels i = L … 1 with encoder maps F_i and decoded maps D_i:

    M_i = Cat[ρ_1(F_1), …, ρ_i(F_i), D_{i+1}, …, D_L]          ContextBlend [R]
    D_i = CLB(F_i, M_i)                                        CrossLayerBlock [R], which is [D]
        z = x + DropPath(SCA(LN x, LN M) + LPM(x)),  D = z + DropPath(FFN(LN z))

Marks: [P] the paper says so, [R] a review of the paper, [I] inferred from its relatives' code, [D] our decision.

- [P] Strip cross-attention compresses the channels of queries and keys into one dimension, not those of values.
  [I] One channel per head, linear maps without bias, the scale and the biased output map follow MetaSeg (arXiv
  2408.07576).
- [R] Local perception consists of convolutions, among them depthwise-separable ones, and activations. [D] The order of
  its layers and the kernel size are our decision.
- [I] The feed-forward network is the one of SegFormer and U-MixFormer (arXiv 2312.06272).
- [I] ρ is average pooling to the grid of the deepest level, then a 1×1 convolution; every level owns its set of ρ
  (U-MixFormer). [D] Decoded maps are pooled to the same grid and enter as they are.
- [D] The residual stream is never normalised, unlike in the code of U-MixFormer.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from mmcv.cnn import build_norm_layer
from mmengine.model import BaseModule
from timm.layers import DropPath, LayerNorm2d
from torch import Tensor, nn

from scaseg.ops.strip_attention import Method, strip_attention


class StripCrossAttention(BaseModule):
    """Cross-attention from a map to a smaller one, with one query and key channel per head.

    Args:
        channels: channels C of the query map and of the output.
        kv_channels: channels of the map that keys and values are made from.
        num_heads: attention heads h; divides ``channels``.
        attention: ``'strip'`` compresses queries and keys to one channel per head, ``'vanilla'`` keeps C / h channels
            (the ordinary multi-head cross-attention, for the ablation).
        qk_scale: factor on the logits; ``None`` is (C / h)^-0.5 for both kinds of attention, as in MetaSeg.
        method: how strip attention is computed, see ``scaseg.ops.strip_attention``; the results are the same.

    Shape:
        x: (B, C, H, W), normalised query map.
        context: (B, kv_channels, h, w), normalised map for keys and values, of any size.
        returns: (B, C, H, W), to be added to the residual stream.

    Raises:
        ValueError: ``num_heads`` does not divide ``channels``, or ``attention`` is unknown.
    """

    def __init__(
        self,
        channels: int,
        kv_channels: int,
        num_heads: int,
        attention: Literal['strip', 'vanilla'] = 'strip',
        qk_scale: float | None = None,
        method: Method = 'auto',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if channels % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide the {channels} channels of its level')
        if attention not in ('strip', 'vanilla'):
            raise ValueError(f"attention={attention!r}: expected 'strip' or 'vanilla'")
        self.num_heads = num_heads
        self.attention = attention
        self.method = method
        self.scale = (channels // num_heads) ** -0.5 if qk_scale is None else qk_scale
        qk_channels = num_heads if attention == 'strip' else channels
        self.query = nn.Conv2d(channels, qk_channels, 1, bias=False)
        self.key = nn.Conv2d(kv_channels, qk_channels, 1, bias=False)
        self.value = nn.Conv2d(kv_channels, channels, 1, bias=False)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        v = self._tokens(self.value(context))
        if self.attention == 'strip':
            q = self.query(x).flatten(2)  # one channel per head: (B, h, N)
            k = self.key(context).flatten(2)  # (B, h, M)
            out = strip_attention(q, k, v, self.scale, self.method)
        else:
            q, k = self._tokens(self.query(x)), self._tokens(self.key(context))
            out = F.scaled_dot_product_attention(q, k, v, scale=self.scale)
        out = out.transpose(-1, -2).reshape(x.shape)  # (B, h, N, d) -> (B, C, H, W)
        return self.proj(out)

    def _tokens(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, h, H·W, C / h)."""
        return x.flatten(2).unflatten(1, (self.num_heads, -1)).transpose(-1, -2)


class LocalPerception(nn.Sequential):
    """What attention over a pooled map cannot see: depthwise convolution, BN, GELU, 1×1 convolution.

    Args:
        channels: channels C of the map.
        kernel_size: side of the depthwise kernel, odd.
        norm_cfg: normalisation after the depthwise convolution.

    Shape:
        (B, C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: ``kernel_size`` is even.
    """

    def __init__(self, channels: int, kernel_size: int = 3, norm_cfg: dict | None = None) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f'lpm_kernel={kernel_size}: the kernel of local perception must be odd')
        super().__init__(
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels, bias=False),
            build_norm_layer(norm_cfg or dict(type='BN'), channels)[1],
            nn.GELU(),
            nn.Conv2d(channels, channels, 1),
        )


class FeedForward(nn.Sequential):
    """1×1 convolution to ``ratio`` times the channels, depthwise 3×3, GELU, 1×1 back.

    Shape:
        (B, C, H, W) -> (B, C, H, W)
    """

    def __init__(self, channels: int, ratio: float = 4.0) -> None:
        hidden = int(channels * ratio)
        super().__init__(
            nn.Conv2d(channels, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, channels, 1),
        )


class CrossLayerBlock(BaseModule):
    """Strip cross-attention to the blended map, local perception, feed-forward network.

    Args:
        channels: channels C of the query map F_i.
        kv_channels: channels of the blended map M_i.
        num_heads: attention heads; divides ``channels``.
        attention: ``'strip'`` or ``'vanilla'``, see ``StripCrossAttention``.
        qk_scale: factor on the logits; ``None`` is (C / num_heads)^-0.5.
        local: ``'parallel'`` adds local perception to the attention's output, ``'serial'`` gives it a residual step of
            its own after the attention, ``None`` leaves it out.
        lpm_kernel: side of the depthwise kernel of local perception, odd.
        ffn_ratio: hidden channels of the feed-forward network, as a multiple of C.
        drop_path: probability to drop a residual branch of a sample in training.
        norm_cfg: normalisation inside local perception; ``None`` is BN.

    Shape:
        x: (B, C, H, W), encoder feature at this level, before normalisation.
        context: (B, kv_channels, h, w), blended map.
        returns: (B, C, H, W), same stride as ``x``.

    Raises:
        ValueError: a switch has a value it does not know, or ``num_heads`` does not divide ``channels``.
    """

    def __init__(
        self,
        channels: int,
        kv_channels: int,
        num_heads: int,
        attention: Literal['strip', 'vanilla'] = 'strip',
        qk_scale: float | None = None,
        local: Literal['parallel', 'serial'] | None = 'parallel',
        lpm_kernel: int = 3,
        ffn_ratio: float = 4.0,
        drop_path: float = 0.0,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if local not in ('parallel', 'serial', None):
            raise ValueError(f"local={local!r}: expected 'parallel', 'serial' or None")
        self.local = local
        self.query_norm = LayerNorm2d(channels)
        self.context_norm = LayerNorm2d(kv_channels)
        self.attention = StripCrossAttention(channels, kv_channels, num_heads, attention, qk_scale)
        if local is not None:
            self.local_perception = LocalPerception(channels, lpm_kernel, norm_cfg)
        self.ffn_norm = LayerNorm2d(channels)
        self.ffn = FeedForward(channels, ffn_ratio)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        update = self.attention(self.query_norm(x), self.context_norm(context))
        if self.local == 'parallel':
            update = update + self.local_perception(x)
        x = x + self.drop_path(update)
        if self.local == 'serial':
            x = x + self.drop_path(self.local_perception(x))
        return x + self.drop_path(self.ffn(self.ffn_norm(x)))


class ContextBlend(BaseModule):
    """``M_i`` of one level, from the maps of all levels on one common grid.

    Args:
        channels: channels of every level, shallow to deep.
        level: index i of the level this map is for, from 0.
        source: ``'cross_layer'`` blends encoder maps up to level i with the decoded maps above it (the paper),
            ``'encoder'`` the encoder maps of all levels, ``'self'`` takes the level's own encoder map alone.

    Shape:
        maps: one (B, C_j, h, w) for each level j: its decoded map for j > i with ``'cross_layer'``, its encoder map
            otherwise.
        returns: (B, ``out_channels``, h, w).

    Raises:
        ValueError: ``source`` is unknown.
    """

    def __init__(
        self,
        channels: Sequence[int],
        level: int,
        source: Literal['cross_layer', 'encoder', 'self'] = 'cross_layer',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        projected = {'cross_layer': range(level + 1), 'encoder': range(len(channels)), 'self': [level]}
        if source not in projected:
            raise ValueError(f'kv_source={source!r}: expected one of {sorted(projected)}')
        taken = [level] if source == 'self' else range(len(channels))
        self.taken = list(taken)
        self.projections = nn.ModuleDict({str(j): nn.Conv2d(channels[j], channels[j], 1) for j in projected[source]})
        self.out_channels = sum(channels[j] for j in self.taken)

    def forward(self, maps: Sequence[Tensor]) -> Tensor:
        blended = [self.projections[str(j)](maps[j]) if str(j) in self.projections else maps[j] for j in self.taken]
        return torch.cat(blended, dim=1)


def pool_to_grid(x: Tensor, ratio: float, size: tuple[int, int]) -> Tensor:
    """Bring a map to the common grid of keys and values.

    Args:
        x: (B, C, H, W).
        ratio: stride of the grid over stride of ``x``: above 1 the map is averaged over windows of that side (the last
            ones cut off at the border), below 1 it is interpolated.
        size: (h, w) of the grid. Where an encoder rounds its strides down, averaging gives a line more than the grid
            has; interpolation then takes the map to its size.

    Returns:
        (B, C, h, w).
    """
    if ratio > 1:
        x = F.avg_pool2d(x, int(ratio), ceil_mode=True)
    if x.shape[-2:] != size:
        x = F.interpolate(x, size=size, mode='bilinear', align_corners=False)
    return x
