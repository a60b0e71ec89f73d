"""The blended map that keys and values are made from (SCASeg, arXiv 2411.17061).

[R] ``M_i = Cat[ρ_1(F_1), …, ρ_i(F_i), D_{i+1}, …, D_4]``: encoder maps up to the level itself, decoded maps above it.
[I] ρ is average pooling to the grid of the deepest level, then a 1×1 convolution; every level owns its set of ρ
(U-MixFormer, arXiv 2312.06272). [D] Decoded maps are pooled to the same grid and enter as they are.
"""

from collections.abc import Sequence
from typing import Literal

import torch
import torch.nn.functional as F
from mmengine.model import BaseModule
from torch import Tensor, nn


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
