"""The layers of SegViT (arXiv 2210.05844): attention-to-mask (ATM), whose scores are masks, and what the masks make.

As in the official code, the norm stands after the residual step, the feed-forward network has ReLU and four times the
channels inside, and a mask is the mean over the heads of the scaled scores before the softmax. Parameters have their
official names. Departure: attention runs in a fused kernel, which keeps no scores, so the masks are a product of their
own.
"""

from typing import NamedTuple

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from scaseg.ops.precision import no_autocast

from .build import build_block


class AttentionToMask(BaseModule):
    """Cross-attention that gives its scores away as masks.

    Args:
        channels: channels d of queries and tokens.
        num_heads: attention heads; divides ``channels``.
        dropout: on the attention weights in training; the masks are never dropped.

    Shape:
        queries: (B, Q, d).
        tokens: (B, N, d).
        returns: (B, Q, d), what the queries gathered, and mask logits (B, Q, N).

    Raises:
        ValueError: ``num_heads`` does not divide ``channels``.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        if channels % num_heads:
            raise ValueError(f'num_heads={num_heads} does not divide embed_dims={channels}')
        self.num_heads = num_heads
        self.mask_scale = (channels // num_heads) ** -0.5 / num_heads
        self.dropout = dropout
        self.q = nn.Linear(channels, channels)
        self.k = nn.Linear(channels, channels)
        self.v = nn.Linear(channels, channels)
        self.proj = nn.Linear(channels, channels)

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        q, k, v = self.q(queries), self.k(tokens), self.v(tokens)
        dropout = self.dropout if self.training else 0.0
        gathered = F.scaled_dot_product_attention(self._heads(q), self._heads(k), self._heads(v), dropout_p=dropout)
        # Summed over the heads, the products of their channels are one product over all channels.
        masks = q @ k.transpose(1, 2) * self.mask_scale
        return self.proj(gathered.transpose(1, 2).flatten(2)), masks

    def _heads(self, x: Tensor) -> Tensor:
        """(B, N, d) -> (B, heads, N, d / heads)."""
        return x.unflatten(2, (self.num_heads, -1)).transpose(1, 2)


@MODELS.register_module()
class ATMDecoderLayer(BaseModule):
    """Self-attention of the queries, attention-to-mask, feed-forward network.

    Args:
        channels: channels d.
        num_heads: attention heads; divides ``channels``.
        dropout: of attention weights, hidden layers and residual branches in training.

    Shape:
        queries: (B, Q, d).
        tokens: (B, N, d).
        returns: queries (B, Q, d) and mask logits (B, Q, N).

    Raises:
        ValueError: ``num_heads`` does not divide ``channels``.
    """

    def __init__(self, channels: int, num_heads: int, dropout: float = 0.1) -> None:
        super().__init__()
        self.multihead_attn = AttentionToMask(channels, num_heads, dropout)
        self.self_attn = nn.MultiheadAttention(channels, num_heads, dropout, batch_first=True)
        self.linear1 = nn.Linear(channels, 4 * channels)
        self.linear2 = nn.Linear(4 * channels, channels)
        self.norm1 = nn.LayerNorm(channels)
        self.norm2 = nn.LayerNorm(channels)
        self.norm3 = nn.LayerNorm(channels)
        self.dropout = nn.Dropout(dropout)

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        mixed = self.self_attn(queries, queries, queries, need_weights=False)[0]
        queries = self.norm1(queries + self.dropout(mixed))
        gathered, masks = self.multihead_attn(queries, tokens)
        queries = self.norm2(queries + self.dropout(gathered))
        hidden = self.dropout(self.linear1(queries).relu())
        return self.norm3(queries + self.dropout(self.linear2(hidden))), masks


class ATMDecoder(nn.ModuleList):
    """Layers one after the other; the masks are those of the last one.

    Args:
        num_layers: number of layers.
        layer: config of each; it is given the other arguments.
        channels: channels d of queries and tokens.
        num_heads: attention heads.

    Shape:
        As ``ATMDecoderLayer``.
    """

    def __init__(self, num_layers: int, layer: dict, channels: int, num_heads: int) -> None:
        level = dict(channels=channels, num_heads=num_heads)
        super().__init__(build_block(layer, 'ATMDecoderLayer', **level) for _ in range(num_layers))

    def forward(self, queries: Tensor, tokens: Tensor) -> tuple[Tensor, Tensor]:
        for layer in self:
            queries, masks = layer(queries, tokens)
        return queries, masks


class MapToTokens(nn.Sequential):
    """A map of the encoder as tokens of the decoder's width: linear layer, LayerNorm.

    Shape:
        x: (B, in_channels, h, w).
        returns: (B, h·w, channels).
    """

    def __init__(self, in_channels: int, channels: int) -> None:
        super().__init__(nn.Linear(in_channels, channels), nn.LayerNorm(channels))

    def forward(self, x: Tensor) -> Tensor:
        return super().forward(x.flatten(2).transpose(1, 2))


class MaskPrediction(NamedTuple):
    """Classes and masks of all queries Q, as one stage of a decoder sees them.

    Attributes:
        class_logits: (B, Q, num_classes + 1), before softmax; the last class is "no object".
        mask_logits: (B, Q, h, w), before sigmoid: the affinity of every query to every position.
    """

    class_logits: Tensor
    mask_logits: Tensor

    def of(self, images: slice) -> 'MaskPrediction':
        """The prediction for some images of the batch."""
        return MaskPrediction(self.class_logits[images], self.mask_logits[images])

    def fuse(self) -> Tensor:
        """``P_c = Σ_q softmax(class_q)_c · sigmoid(mask_q)`` without "no object", in float32.

        Returns:
            (B, num_classes, h, w): probabilities of classes times probabilities of masks. At least 0; they do not sum
            to 1 over the classes, nor are they logits.
        """
        with no_autocast(self.mask_logits.device.type):  # half precision would make neighbouring classes tie
            classes = self.class_logits.float().softmax(dim=-1)[..., :-1]
            return torch.einsum('bqc,bqhw->bchw', classes, self.mask_logits.float().sigmoid())

    def fuse_in_place(self, rows: int = 32) -> Tensor:
        """The same in the memory of the masks, which are lost: a band of rows at a time, a query for each class.

        The map of all classes at the size of an image is then there once, where ``fuse`` holds it three times. A graph
        that is traced or exported has no memory to save and cannot write into its inputs: there it is ``fuse``.
        """
        if torch.jit.is_tracing() or torch.compiler.is_exporting():
            return self.fuse()
        with no_autocast(self.mask_logits.device.type):
            classes = self.class_logits.float().softmax(dim=-1)[..., :-1]
            masks = self.mask_logits.float()
            for top in range(0, masks.shape[2], rows):
                band = masks[:, :, top : top + rows]
                band.copy_(torch.einsum('bqc,bqhw->bchw', classes, band.sigmoid()))
            return masks
