"""The decoder of SegNeXt: Rethinking Convolutional Attention Design for Semantic Segmentation (arXiv 2209.08575).

Lightweight Hamburger: the levels are brought to the size of the first one, concatenated and squeezed, pass one matrix
factorisation, and are classified. Weights, their names and training are those of the official ``LightHamHead``;
evaluation is deterministic (see ``Hamburger``), and the factorisation is computed in float32 under autocast too.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmseg.registry import MODELS
from torch import Tensor

from ..layers import build_block
from .multi_level_head import MultiLevelHead


@MODELS.register_module()
class HamburgerHead(MultiLevelHead):
    """Concatenated levels, 1×1 squeeze, Hamburger, 1×1 alignment, 1×1 classifier.

    Args:
        in_channels: channels of the levels that ``in_index`` names, shallow to deep.
        channels: width of the squeezed map, of Hamburger and of the aligned map (256 for MSCAN-T and S, 512 for B,
            1024 for L).
        hamburger: config of the factorisation, ``forward(x)``; it is given ``channels`` and ``norm_cfg``. See
            ``Hamburger``; its ``rank`` is MD_R in the official code (16 for MSCAN-T and S, 64 for B and L).
        kwargs: of mmseg's ``BaseDecodeHead``: ``in_index`` (by default all levels), ``num_classes``, ``norm_cfg`` ….

    Shape:
        inputs: the encoder's maps, (B, C_j, H_j, W_j) each.
        returns: logits (B, num_classes, H, W) at the size of the first level that ``in_index`` names.

    Raises:
        ValueError: ``rank`` or a number of steps is below 1.
        UserError: in a forward, maps of other channels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        hamburger: dict = dict(type='Hamburger'),
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, channels, **kwargs)
        self.squeeze = ConvModule(sum(in_channels), channels, 1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)
        self.hamburger = build_block(hamburger, 'Hamburger', channels=channels, norm_cfg=self.norm_cfg)
        self.align = ConvModule(channels, channels, 1, norm_cfg=self.norm_cfg, act_cfg=self.act_cfg)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        features = self._transform_inputs(inputs)
        size = features[0].shape[-2:]
        levels = [F.interpolate(x, size=size, mode='bilinear', align_corners=self.align_corners) for x in features]
        x = self.squeeze(torch.cat(levels, dim=1))
        return self.cls_seg(self.align(self.hamburger(x)))
