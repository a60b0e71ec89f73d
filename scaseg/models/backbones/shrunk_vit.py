"""The encoder of SegViT Shrunk (arXiv 2210.05844, section 3.2): query-based down-sampling (QD) inside a plain ViT."""

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from .plain_vit import PlainVisionTransformer


@MODELS.register_module()
class ShrunkVisionTransformer(PlainVisionTransformer):
    """A plain ViT one of whose layers halves the grid: every second token in both axes asks, all of them answer.

    The tokens that ask go on, so the layers after it run on a quarter of the tokens.

    Args:
        shrink_at: index of that layer, from 0; a third of the depth in the paper, 8 of ViT-L's 24.
        kwargs: of ``PlainVisionTransformer``.

    Shape:
        x: (B, 3, H, W).
        returns: (B, C, h, w) for each of ``out_indices``, with (h, w) the grid of patches before ``shrink_at``, and
            half of it, rounded up, from there on.

    Raises:
        ValueError: there is no layer ``shrink_at``.
    """

    def __init__(self, shrink_at: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if not 0 <= shrink_at < len(self.layers):
            raise ValueError(f'backbone.shrink_at={shrink_at}: the layers are 0 to {len(self.layers) - 1}')
        self.shrink_at = shrink_at
        patch = self.strides[0]
        self.strides = [2 * patch if index >= shrink_at else patch for index in self.out_indices]

    def run_layer(self, index: int, tokens: Tensor, size: tuple[int, int]) -> tuple[Tensor, tuple[int, int]]:
        if index != self.shrink_at:
            return super().run_layer(index, tokens, size)
        kept = torch.arange(tokens.shape[1], device=tokens.device).view(size)[::2, ::2]
        height, width = kept.shape
        return self.layers[index](tokens, kept.flatten()), (height, width)
