"""The layers of SeaFormer (arXiv 2301.13156, ICLR 2023): squeeze-enhanced axial (SEA) attention, as officially coded.

With q, k, v = BN(1×1 conv of x), v twice as wide as q and k:

    rows    = BN(W · ReLU6(Attention(mean_W q + p_q, mean_W k + p_k, mean_W v)))      (B, C_v, H, 1)
    columns = BN(W · ReLU6(Attention(mean_H q + p_q, mean_H k + p_k, mean_H v)))      (B, C_v, 1, W)
    detail  = BN(W · ReLU6(BN(3×3 depthwise conv of [q, k, v])))
    SEA(x)  = hard_sigmoid(BN(W · ReLU6(v + rows + columns))) · detail
    block   : z = x + DropPath(SEA(x)),  x' = z + DropPath(FFN(z))

The paper's figure shows neither the term v nor the ReLU6s, and a plain product in place of the hard-sigmoid gate.
Attention costs O(H² + W²), everything else O(H·W). The residual stream is never normalised: norms stand after the
convolutions inside both branches.
"""

from functools import partial

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from timm.layers import DropPath
from torch import Tensor, nn

from .build import build_block

POSITIONS = 16  # length of the learned position embeddings; interpolated to the map's


class SqueezedAttention(BaseModule):
    """Multi-head attention along one axis of a map that has been averaged over the other.

    Args:
        key_channels: channels of queries and keys, over all heads.
        num_heads: attention heads; divides ``key_channels``.
        norm_cfg: normalisation after the projection.

    Shape:
        q, k: (B, key_channels, L).
        v: (B, 2 · key_channels, L).
        returns: (B, 2 · key_channels, L, 1).
    """

    def __init__(self, key_channels: int, num_heads: int, norm_cfg: dict, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.num_heads = num_heads
        self.query_pos_embed = nn.Parameter(torch.randn(1, key_channels, POSITIONS))
        self.key_pos_embed = nn.Parameter(torch.randn(1, key_channels, POSITIONS))
        self.proj = ConvModule(2 * key_channels, 2 * key_channels, 1, norm_cfg=norm_cfg, act_cfg=None)

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        q = q + self._resample(self.query_pos_embed, q.shape[-1])
        k = k + self._resample(self.key_pos_embed, k.shape[-1])
        out = F.scaled_dot_product_attention(self._heads(q), self._heads(k), self._heads(v))
        out = out.transpose(-1, -2).flatten(1, 2)  # (B, h, L, d) -> (B, h·d, L)
        return self.proj(F.relu6(out).unsqueeze(-1))

    def _heads(self, x: Tensor) -> Tensor:
        """(B, C, L) -> (B, h, L, C / h)."""
        return x.unflatten(1, (self.num_heads, -1)).transpose(-1, -2)

    @staticmethod
    def _resample(pos_embed: Tensor, length: int) -> Tensor:
        return F.interpolate(pos_embed, size=length, mode='linear', align_corners=False)


@MODELS.register_module()
class SEAAttention(BaseModule):
    """Row and column attention over squeezed maps, gating a convolutional branch that keeps the detail.

    Args:
        channels: channels C of the map.
        key_channels: channels of queries and keys, over all heads; values have twice as many.
        num_heads: attention heads; divides ``key_channels``.
        norm_cfg: normalisation after every convolution; ``None`` is BN.

    Shape:
        x: (B, C, H, W).
        returns: (B, C, H, W), to be added to the residual stream.

    Raises:
        ValueError: ``num_heads`` does not divide ``key_channels``.
    """

    def __init__(
        self,
        channels: int,
        key_channels: int,
        num_heads: int,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        if num_heads < 1 or key_channels % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide the {key_channels} channels of the keys')
        norm_cfg = norm_cfg or dict(type='BN')
        pointwise = partial(ConvModule, kernel_size=1, norm_cfg=norm_cfg, act_cfg=None)
        value_channels = 2 * key_channels
        self.query = pointwise(channels, key_channels)
        self.key = pointwise(channels, key_channels)
        self.value = pointwise(channels, value_channels)
        self.rows = SqueezedAttention(key_channels, num_heads, norm_cfg)
        self.columns = SqueezedAttention(key_channels, num_heads, norm_cfg)
        self.gate = pointwise(value_channels, channels)
        total = 2 * key_channels + value_channels
        self.detail = nn.Sequential(
            ConvModule(total, total, 3, padding=1, groups=total, norm_cfg=norm_cfg, act_cfg=dict(type='ReLU6')),
            pointwise(total, channels),
        )

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.query(x), self.key(x), self.value(x)
        rows = self.rows(q.mean(-1), k.mean(-1), v.mean(-1))
        columns = self.columns(q.mean(-2), k.mean(-2), v.mean(-2)).transpose(-1, -2)
        gate = F.hardsigmoid(self.gate(F.relu6(v + rows + columns)))
        return gate * self.detail(torch.cat([q, k, v], dim=1))


@MODELS.register_module()
class SEABlock(BaseModule):
    """SEA attention and a feed-forward network with a depthwise 3×3 convolution.

    Args:
        channels: channels C of the map.
        key_channels: channels of queries and keys, over all heads; see ``SEAAttention``.
        num_heads: attention heads; divides ``key_channels``.
        ffn_ratio: hidden channels of the feed-forward network, as a multiple of C.
        drop_path: probability to drop a residual branch of a sample in training.
        norm_cfg: normalisation after the convolutions; ``None`` is BN.
        attention: config of the attention, ``forward(x)``; it is given ``channels``, ``key_channels``, ``num_heads``
            and ``norm_cfg``.

    Shape:
        (B, C, H, W) -> (B, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        key_channels: int,
        num_heads: int,
        ffn_ratio: float = 4.0,
        drop_path: float = 0.1,
        norm_cfg: dict | None = None,
        attention: dict = dict(type='SEAAttention'),
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type='BN')
        hidden = int(channels * ffn_ratio)
        level = dict(channels=channels, key_channels=key_channels, num_heads=num_heads, norm_cfg=norm_cfg)
        self.attention = build_block(attention, 'SEAAttention', **level)
        self.ffn = nn.Sequential(
            ConvModule(channels, hidden, 1, norm_cfg=norm_cfg, act_cfg=None),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.ReLU6(),
            ConvModule(hidden, channels, 1, norm_cfg=norm_cfg, act_cfg=None),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(x))
        return x + self.drop_path(self.ffn(x))
