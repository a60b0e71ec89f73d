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
from mmseg.registry import MODELS
from timm.layers import DropPath, LayerNorm2d
from torch import Tensor, nn

from scaseg.ops.strip_attention import Method, strip_attention

from .build import build_block


@MODELS.register_module()
class VanillaCrossAttention(BaseModule):
    """Multi-head cross-attention from a map to a smaller one, with C / h query and key channels per head.

    Args:
        channels: channels C of the query map and of the output.
        kv_channels: channels of the map that keys and values are made from.
        num_heads: attention heads h; divides ``channels``.
        qk_scale: factor on the logits; ``None`` is (C / h)^-0.5.

    Shape:
        x: (B, C, H, W), normalised query map.
        context: (B, kv_channels, h, w), normalised map for keys and values, of any size.
        returns: (B, C, H, W), to be added to the residual stream.

    Raises:
        ValueError: ``num_heads`` does not divide ``channels``.
    """

    def __init__(
        self,
        channels: int,
        kv_channels: int,
        num_heads: int,
        qk_scale: float | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_heads < 1 or channels % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide the {channels} channels of its level')
        self.num_heads = num_heads
        self.scale = (channels // num_heads) ** -0.5 if qk_scale is None else qk_scale
        qk_channels = self._query_channels(channels)
        self.query = nn.Conv2d(channels, qk_channels, 1, bias=False)
        self.key = nn.Conv2d(kv_channels, qk_channels, 1, bias=False)
        self.value = nn.Conv2d(kv_channels, channels, 1, bias=False)
        self.proj = nn.Conv2d(channels, channels, 1)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        out = self._attend(self.query(x), self.key(context), self._tokens(self.value(context)))
        out = out.transpose(-1, -2).reshape(x.shape)  # (B, h, N, d) -> (B, C, H, W)
        return self.proj(out)

    def _query_channels(self, channels: int) -> int:
        """Channels of queries and keys, over all heads."""
        return channels

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        """Maps of queries and keys, tokens of values (B, h, M, d) -> (B, h, N, d)."""
        return F.scaled_dot_product_attention(self._tokens(q), self._tokens(k), v, scale=self.scale)

    def _tokens(self, x: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, h, H·W, C / h)."""
        return x.flatten(2).unflatten(1, (self.num_heads, -1)).transpose(-1, -2)


@MODELS.register_module()
class StripCrossAttention(VanillaCrossAttention):
    """Cross-attention whose queries and keys have one channel per head, the attention of SCASeg.

    Args:
        channels: channels C of the query map and of the output.
        kv_channels: channels of the map that keys and values are made from.
        num_heads: attention heads h; divides ``channels``.
        qk_scale: factor on the logits; ``None`` is (C / h)^-0.5, as in MetaSeg.
        method: how it is computed, see ``scaseg.ops.strip_attention``; the results are the same.

    Shape:
        As ``VanillaCrossAttention``.

    Raises:
        ValueError: ``num_heads`` does not divide ``channels``.
    """

    def __init__(
        self,
        channels: int,
        kv_channels: int,
        num_heads: int,
        qk_scale: float | None = None,
        method: Method = 'auto',
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(channels, kv_channels, num_heads, qk_scale, init_cfg)
        self.method = method

    def _query_channels(self, channels: int) -> int:
        return self.num_heads

    def _attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return strip_attention(q.flatten(2), k.flatten(2), v, self.scale, self.method)  # q (B, h, N), k (B, h, M)


@MODELS.register_module()
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
            raise ValueError(f'kernel_size={kernel_size}: the kernel of local perception must be odd')
        super().__init__(
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels, bias=False),
            build_norm_layer(norm_cfg or dict(type='BN'), channels)[1],
            nn.GELU(),
            nn.Conv2d(channels, channels, 1),
        )


@MODELS.register_module()
class FeedForward(nn.Sequential):
    """1×1 convolution to ``ratio`` times the channels, depthwise 3×3, GELU, 1×1 back.

    Args:
        channels: channels C of the map.
        ratio: hidden channels as a multiple of C.

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


@MODELS.register_module()
class CrossLayerBlock(BaseModule):
    """Attention to the blended map, local perception, feed-forward network.

    Args:
        channels: channels C of the query map F_i.
        kv_channels: channels of the blended map M_i.
        num_heads: attention heads.
        attention: config of the attention, ``forward(x, context)``; it is given ``channels``, ``kv_channels`` and
            ``num_heads``.
        local: config of what sees the neighbourhood of a position, ``forward(x)``; it is given ``channels`` and
            ``norm_cfg``. ``None`` leaves it out.
        local_position: ``'parallel'`` adds its output to the attention's, ``'serial'`` gives it a residual step of its
            own after the attention.
        ffn: config of the feed-forward network, ``forward(x)``; it is given ``channels``.
        drop_path: probability to drop a residual branch of a sample in training.
        norm_cfg: normalisation inside ``local``; ``None`` is BN.

    Shape:
        x: (B, C, H, W), encoder feature at this level, before normalisation.
        context: (B, kv_channels, h, w), blended map.
        returns: (B, C, H, W), same stride as ``x``.

    Raises:
        ValueError: ``local_position`` is unknown, or a block refuses its arguments.
    """

    def __init__(
        self,
        channels: int,
        kv_channels: int,
        num_heads: int,
        attention: dict = dict(type='StripCrossAttention'),
        local: dict | None = dict(type='LocalPerception'),
        local_position: Literal['parallel', 'serial'] = 'parallel',
        ffn: dict = dict(type='FeedForward'),
        drop_path: float = 0.1,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if local_position not in ('parallel', 'serial'):
            raise ValueError(f"local_position={local_position!r}: expected 'parallel' or 'serial'")
        self.local = local_position if local is not None else None
        level = dict(channels=channels, kv_channels=kv_channels, num_heads=num_heads, norm_cfg=norm_cfg)
        self.query_norm = LayerNorm2d(channels)
        self.context_norm = LayerNorm2d(kv_channels)
        self.attention = build_block(attention, 'StripCrossAttention', **level)
        if local is not None:
            self.local_perception = build_block(local, 'LocalPerception', **level)
        self.ffn_norm = LayerNorm2d(channels)
        self.ffn = build_block(ffn, 'FeedForward', **level)
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor, context: Tensor) -> Tensor:
        update = self.attention(self.query_norm(x), self.context_norm(context))
        if self.local == 'parallel':
            update = update + self.local_perception(x)
        x = x + self.drop_path(update)
        if self.local == 'serial':
            x = x + self.drop_path(self.local_perception(x))
        return x + self.drop_path(self.ffn(self.ffn_norm(x)))


@MODELS.register_module()
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

    Attributes:
        out_channels: channels of the blended map.
        decoded: whether it takes the decoded maps of deeper levels, not their encoder maps.

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
            raise ValueError(f'source={source!r}: expected one of {sorted(projected)}')
        taken = [level] if source == 'self' else range(len(channels))
        self.taken = list(taken)
        self.projections = nn.ModuleDict({str(j): nn.Conv2d(channels[j], channels[j], 1) for j in projected[source]})
        self.out_channels = sum(channels[j] for j in self.taken)
        self.decoded = source == 'cross_layer'

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
    # An exported graph with symbolic sizes cannot compare them; from a size to itself interpolation changes nothing.
    if torch.compiler.is_exporting() or x.shape[-2:] != size:
        x = F.interpolate(x, size=size, mode='bilinear', align_corners=False)
    return x
