"""The all-MLP head of SegFormer (arXiv 2105.15203, section 3.2), with its fusion done before the upsampling.

A linear layer brings every level to E channels; the official code upsamples the levels, concatenates them and fuses
them by a 1×1 convolution over 4E channels. That convolution is a sum of one E×E map per level, and these commute with
interpolation: here each level goes through its own at its own resolution. Same parameters, same function, fewer
products. mmseg's ``SegformerHead`` is another head: it has a norm and a ReLU after the first layers.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn

from .multi_level_head import MultiLevelHead


@MODELS.register_module()
class SegFormerMLPHead(MultiLevelHead):
    """A linear layer per level, fused projection, norm, ReLU, 1×1 classifier.

    Args:
        in_channels: channels of every encoder level, shallow to deep.
        channels: width E; officially 256 for MiT-B0 and B1, 768 for B2 to B5.
        kwargs: of mmseg's ``BaseDecodeHead``: ``num_classes``, ``dropout_ratio``, ``norm_cfg``, ``loss_decode`` ….

    Shape:
        inputs: the encoder's maps, level j of shape (B, in_channels[j], H_j, W_j).
        returns: logits (B, num_classes, H_0, W_0).

    Raises:
        UserError: in a forward, maps of other channels.
    """

    def __init__(self, in_channels: Sequence[int], channels: int, **kwargs: Any) -> None:
        kwargs.setdefault('init_cfg', None)  # the official classifier starts as PyTorch makes it
        super().__init__(in_channels, channels, **kwargs)
        self.linears = nn.ModuleList(nn.Conv2d(c, channels, 1) for c in in_channels)
        self._init_fusion([channels] * len(in_channels))
        for weight in self.fusion.parameters():
            nn.init.normal_(weight, std=(2 / channels) ** 0.5)  # Kaiming, fan-out: as the official one

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        features = self._transform_inputs(inputs)
        embedded = [linear(x) for linear, x in zip(self.linears, features, strict=True)]
        return self._classify(embedded)
