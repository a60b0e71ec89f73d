"""Strip cross-attention (SCA), the attention of SCASeg (arXiv 2411.17061).

[P] Channels of queries and keys are compressed into one dimension, values are not; the query is the encoder feature of
a level, keys and values come from a map blended from several levels. [I] One channel per head, linear maps without
bias, the scale and the biased output map follow MetaSeg (arXiv 2408.07576).
"""

from typing import Literal

import torch.nn.functional as F
from mmengine.model import BaseModule
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
