"""The convolutional parts of a cross-layer block: local perception (LPM) and the feed-forward network.

[R] The LPM of SCASeg (arXiv 2411.17061) consists of convolutions, among them depthwise-separable ones, and
activations. [D] The order of its layers and the kernel size are our decision. [I] The feed-forward network is the one
of SegFormer and U-MixFormer (arXiv 2312.06272).
"""

from mmcv.cnn import build_norm_layer
from torch import nn


class LocalPerception(nn.Sequential):
    """What attention over a pooled map cannot see: depthwise convolution, BN, GELU, 1×1 convolution.

    Args:
        channels: channels C of the map.
        kernel_size: side of the depthwise kernel, odd.
        norm_cfg: normalisation after the depthwise convolution.

    Shape:
        (B, C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: ``kernel_size`` is even.
    """

    def __init__(self, channels: int, kernel_size: int = 3, norm_cfg: dict | None = None) -> None:
        if kernel_size % 2 == 0:
            raise ValueError(f'lpm_kernel={kernel_size}: the kernel of local perception must be odd')
        super().__init__(
            nn.Conv2d(channels, channels, kernel_size, padding=kernel_size // 2, groups=channels, bias=False),
            build_norm_layer(norm_cfg or dict(type='BN'), channels)[1],
            nn.GELU(),
            nn.Conv2d(channels, channels, 1),
        )


class FeedForward(nn.Sequential):
    """1×1 convolution to ``ratio`` times the channels, depthwise 3×3, GELU, 1×1 back.

    Shape:
        (B, C, H, W) -> (B, C, H, W)
    """

    def __init__(self, channels: int, ratio: float = 4.0) -> None:
        hidden = int(channels * ratio)
        super().__init__(
            nn.Conv2d(channels, hidden, 1),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.GELU(),
            nn.Conv2d(hidden, channels, 1),
        )
