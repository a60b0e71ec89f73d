"""Plain Vision Transformers (arXiv 2010.11929) as encoders, in the layout of mmseg's ``VisionTransformer``.

Built from mmseg's layer. Departures from mmseg 1.x:

- stochastic depth of the attention branch is a switch, see ``drop_attention``;
- attention runs in a fused kernel;
- there is no class token;
- the position embedding is a map, resized bicubically whenever the image has another grid. (mmseg compares the numbers
  of tokens, and takes a grid of 16 × 64 for its own of 32 × 32.)
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models.backbones.vit import TransformerEncoderLayer
from mmseg.models.utils import PatchEmbed
from mmseg.registry import MODELS
from timm.layers import DropPath
from torch import Tensor, nn

from .leveled_encoder import LeveledEncoder


class EncoderLayer(TransformerEncoderLayer):
    """Norm, self-attention, norm, feed-forward network; four times as wide inside, GELU.

    Args:
        channels: channels C.
        num_heads: attention heads; divides ``channels``.
        drop_path: probability to drop the feed-forward branch of a sample in training.
        drop_attention: drop the attention branch with the same probability, too.

    Shape:
        tokens: (B, N, C), what is attended to.
        kept: indices of the tokens that ask and go on, M of them; ``None`` is all.
        returns: (B, N, C) or (B, M, C).
    """

    def __init__(self, channels: int, num_heads: int, drop_path: float, drop_attention: bool = False) -> None:
        norm_cfg = dict(type='LN', eps=1e-6)
        super().__init__(channels, num_heads, 4 * channels, drop_path_rate=drop_path, norm_cfg=norm_cfg)
        self.drop_path = DropPath(drop_path if drop_attention else 0.0)

    def forward(self, tokens: Tensor, kept: Tensor | None = None) -> Tensor:
        keys = self.norm1(tokens)
        queries = keys
        if kept is not None:
            tokens, queries = tokens[:, kept], keys[:, kept]
        # mmcv's wrapper computes the weights; the attention inside it wants (N, B, C)
        queries, keys = queries.transpose(0, 1), keys.transpose(0, 1)
        attended = self.attn.attn(queries, keys, keys, need_weights=False)[0].transpose(0, 1)
        tokens = tokens + self.drop_path(attended)
        return self.ffn(self.norm2(tokens), identity=tokens)


@MODELS.register_module()
class PlainVisionTransformer(LeveledEncoder):
    """A ViT without class token that gives the maps after some of its layers, unnormalised.

    Args:
        embed_dims: channels C.
        num_layers: depth.
        num_heads: attention heads; divides ``embed_dims``.
        img_size: (H, W) of the training crop in pixels: position embeddings are held for its grid.
        out_indices: layers whose output is given, from 0.
        patch_size: side of a patch in pixels.
        drop_path_rate: stochastic depth of the last layer; it grows linearly from 0.
        drop_attention: let stochastic depth drop the attention branches as well as the feed-forward branches. The
            default is that of mmseg 0.24, which the official SegViT names; mmseg 0.22 and 0.23 drop both.

    Shape:
        x: (B, 3, H, W), padded at the right and the bottom to a multiple of the patch size.
        returns: (B, C, H / patch_size, W / patch_size) for each of ``out_indices``.

    Raises:
        ValueError: ``out_indices`` names a layer that there is not, or ``num_heads`` does not divide ``embed_dims``.
    """

    def __init__(
        self,
        embed_dims: int,
        num_layers: int,
        num_heads: int,
        img_size: tuple[int, int],
        out_indices: Sequence[int],
        patch_size: int = 16,
        drop_path_rate: float = 0.0,
        drop_attention: bool = False,
    ) -> None:
        linear, patches = dict(type='TruncNormal', layer='Linear', std=0.02), dict(type='Kaiming', layer='Conv2d')
        super().__init__(init_cfg=[linear, patches | dict(mode='fan_in')])
        if not all(0 <= index < num_layers for index in out_indices):
            raise ValueError(f'backbone.out_indices={list(out_indices)}: the layers are 0 to {num_layers - 1}')
        if embed_dims % num_heads:
            raise ValueError(f'backbone.num_heads={num_heads} does not divide backbone.embed_dims={embed_dims}')
        self.out_indices = sorted(set(out_indices))
        self.channels = [embed_dims] * len(self.out_indices)
        self.strides = [patch_size] * len(self.out_indices)
        self.patch_embed = PatchEmbed(embed_dims=embed_dims, kernel_size=patch_size)
        grid = [-(-side // patch_size) for side in img_size]
        self.pos_embed = nn.Parameter(nn.init.trunc_normal_(torch.empty(1, embed_dims, *grid), std=0.02))
        self.layers = nn.ModuleList(
            EncoderLayer(embed_dims, num_heads, drop_path_rate * index / max(num_layers - 1, 1), drop_attention)
            for index in range(num_layers)
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        tokens, size = self.patch_embed(x)
        positions: Tensor = self.pos_embed
        if positions.shape[-2:] != size:
            positions = F.interpolate(positions, size=size, mode='bicubic', align_corners=False)
        tokens = tokens + positions.flatten(2).transpose(1, 2)
        maps = []
        for index in range(len(self.layers)):
            tokens, size = self.run_layer(index, tokens, size)
            if index in self.out_indices:
                maps.append(tokens.transpose(1, 2).unflatten(2, size))
        return tuple(maps)

    def run_layer(self, index: int, tokens: Tensor, size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        """One layer on the tokens of a grid of (H, W) = ``size``; returns tokens and the size of their grid."""
        return self.layers[index](tokens), size
