"""The attention module of CCNet (arXiv 1811.11721): criss-cross attention in a residual branch that opens from 0."""

import torch
from mmcv.cnn import Scale
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor, nn

from scaseg.ops import criss_cross


@MODELS.register_module()
class CrissCrossAttention(BaseModule):
    """``x + γ · CCA(x)``: applied twice, with the same weights, it lets every pixel see every other one.

    Queries and keys have C / 8 channels, logits are not scaled, γ is learned and starts at 0, all as in the official
    code. Tensors have the names that mmcv gives those of its module. The map is computed in ``channels_last`` format,
    in which ``criss_cross`` is faster.

    Args:
        channels: channels C of the map, 8 at least.

    Shape:
        (B, C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: fewer than 8 channels.
    """

    def __init__(self, channels: int, init_cfg: dict | None = None) -> None:
        super().__init__(init_cfg)
        if channels < 8:
            raise ValueError(f'channels={channels}: criss-cross attention has C / 8 channels for its queries')
        self.query_conv = nn.Conv2d(channels, channels // 8, 1)
        self.key_conv = nn.Conv2d(channels, channels // 8, 1)
        self.value_conv = nn.Conv2d(channels, channels, 1)
        self.gamma = Scale(0.0)

    def forward(self, x: Tensor) -> Tensor:
        x = x.contiguous(memory_format=torch.channels_last)
        return x + self.gamma(criss_cross(self.query_conv(x), self.key_conv(x), self.value_conv(x)))
