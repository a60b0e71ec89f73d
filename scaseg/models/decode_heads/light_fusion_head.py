"""The light segmentation head of SeaFormer (arXiv 2301.13156), ``LightHead`` in the official code.

The detail map takes in one context map after the other:

    x ← BN(W x) · Up(hard_sigmoid(BN(W g)))      for g from shallow to deep

then a scale per channel (a 1×1 convolution with as many groups as channels), BN, ReLU and the classifier.
"""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from .multi_level_head import MultiLevelHead


class FusionBlock(BaseModule):
    """A detail map, gated by a context map.

    Args:
        detail_channels: channels of the detail map.
        context_channels: channels of the context map.
        channels: channels of the result.
        norm_cfg: normalisation after both convolutions.

    Shape:
        detail: (B, detail_channels, H, W).
        context: (B, context_channels, h, w).
        returns: (B, channels, H, W).
    """

    def __init__(self, detail_channels: int, context_channels: int, channels: int, norm_cfg: dict) -> None:
        super().__init__()
        self.detail = ConvModule(detail_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None)
        self.gate = ConvModule(context_channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None)

    def forward(self, detail: Tensor, context: Tensor) -> Tensor:
        gate = F.hardsigmoid(self.gate(context))
        gate = F.interpolate(gate, size=detail.shape[-2:], mode='bilinear', align_corners=False)
        return self.detail(detail) * gate


@MODELS.register_module()
class LightFusionHead(MultiLevelHead):
    """Fusion blocks from the detail map through all context maps, and a light classifier.

    Args:
        in_channels: channels of the detail map, then of every context map, shallow to deep.
        embed_dims: channels after each fusion, one for every context map; the last is the width of the classifier.
        kwargs: of mmseg's ``BaseDecodeHead``: ``num_classes``, ``dropout_ratio``, ``norm_cfg``, ``loss_decode`` ….

    Shape:
        inputs: the encoder's maps, in the order of ``in_channels``.
        returns: logits (B, num_classes, H_0, W_0), at the size of the detail map.

    Raises:
        ValueError: ``embed_dims`` and ``in_channels`` do not go together.
        UserError: in a forward, maps of other channels.
    """

    def __init__(self, in_channels: Sequence[int], embed_dims: Sequence[int], **kwargs: Any) -> None:
        if not len(embed_dims) == len(in_channels) - 1 > 0:
            raise ValueError(
                f'in_channels={list(in_channels)}, embed_dims={list(embed_dims)}: '
                'embed_dims has one entry for each level after the first'
            )
        super().__init__(in_channels, embed_dims[-1], **kwargs)
        norm_cfg = self.norm_cfg or dict(type='BN')
        detail_channels = [in_channels[0], *embed_dims[:-1]]
        self.fusions = nn.ModuleList(
            FusionBlock(*widths, norm_cfg) for widths in zip(detail_channels, in_channels[1:], embed_dims, strict=True)
        )
        self.channel_scale = ConvModule(
            self.channels, self.channels, 1, groups=self.channels, norm_cfg=norm_cfg, act_cfg=self.act_cfg
        )

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        features = self._transform_inputs(inputs)
        detail, *contexts = features
        for fusion, context in zip(self.fusions, contexts, strict=True):
            detail = fusion(detail, context)
        return self.cls_seg(self.channel_scale(detail))
