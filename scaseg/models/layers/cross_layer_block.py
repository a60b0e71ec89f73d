"""One decoder level of SCASeg (arXiv 2411.17061): ``D_i = CLB(F_i, M_i)`` [R].

[R] A block holds strip cross-attention (its global term), local perception and a feed-forward network.
[D] How they are put together: ``z = x + DropPath(SCA(LN x, LN M) + LPM(x))``, ``D = z + DropPath(FFN(LN z))``. The
residual stream is never normalised, unlike in the code of U-MixFormer (arXiv 2312.06272).
"""

from typing import Literal

from mmengine.model import BaseModule
from timm.layers import DropPath, LayerNorm2d
from torch import Tensor

from .local_perception import FeedForward, LocalPerception
from .strip_cross_attention import StripCrossAttention


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
