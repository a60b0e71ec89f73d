"""Learned up-sampling of encoder features: the part of SeaFormer++ (arXiv 2301.13156v6) that a student adds.

Its authors have not published the module; this one is our design, see ``docs/seaformer.md``.
"""

from collections.abc import Sequence

import torch.nn.functional as F
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from scaseg.errors import UserError

from ..layers import LocalPerception


@MODELS.register_module()
class FeatureUpsampler(BaseModule):
    """Every level at twice its size: bilinear interpolation, and a learned correction of it.

    The correction is a depthwise 3×3 and a 1×1 convolution of the interpolated map. Channels stay as they are.

    Args:
        in_channels: channels of every level that the encoder gives.
        norm_cfg: normalisation between the two convolutions; ``None`` is BN.

    Shape:
        maps: (B, C_j, H_j, W_j) for every level.
        returns: (B, C_j, 2 · H_j, 2 · W_j) for every level.

    Raises:
        UserError: in a forward, maps of other channels.
    """

    def __init__(self, in_channels: Sequence[int], norm_cfg: dict | None = None, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        self.in_channels = list(in_channels)
        self.corrections = nn.ModuleList(LocalPerception(c, norm_cfg=norm_cfg) for c in in_channels)

    def forward(self, maps: Sequence[Tensor]) -> list[Tensor]:
        channels = [x.shape[1] for x in maps]
        if channels != self.in_channels:
            raise UserError(f'neck.in_channels={self.in_channels}, but the encoder gives maps of {channels} channels')
        doubled = [F.interpolate(x, scale_factor=2, mode='bilinear', align_corners=False) for x in maps]
        return [x + correct(x) for x, correct in zip(doubled, self.corrections, strict=True)]
