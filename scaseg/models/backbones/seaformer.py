"""The encoder of SeaFormer: Squeeze-enhanced Axial Transformer for Mobile Semantic Segmentation (arXiv 2301.13156).

Stages of MobileNetV2 blocks with ReLU, after the last of them SEA blocks with ReLU6. Two branches leave the encoder:
the detail map at stride 8, and the context map of every stage that has SEA blocks; ``LightFusionHead`` joins them.
Computation and initialisation are those of the official code; the norms that it builds with weight 0, it sets to 1 in
``init_weights``, so they start at 1 here.
"""

import math
from collections.abc import Sequence

from mmcv.cnn import ConvModule
from mmengine.model import normal_init
from mmseg.registry import MODELS
from torch import Tensor, linspace, nn

from ..layers import SEABlock
from .leveled_encoder import LeveledEncoder

DETAIL_STAGE = 1  # the second one, at stride 8


class InvertedResidual(nn.Sequential):
    """MobileNetV2 block: 1×1 expansion, depthwise convolution, linear 1×1; a shortcut where input and output agree.

    mmseg's block of this name has 3×3 kernels only, its successor ``InvertedResidualV3`` pads otherwise.

    Args:
        in_channels: channels of the input.
        out_channels: channels of the output.
        kernel_size: side of the depthwise kernel, odd.
        stride: of the depthwise convolution.
        expansion: hidden channels as a multiple of ``in_channels``; with 1 there is no expanding convolution.
        norm_cfg: normalisation after every convolution.

    Shape:
        (B, in_channels, H, W) -> (B, out_channels, H / stride, W / stride), rounded up.
    """

    def __init__(
        self, in_channels: int, out_channels: int, kernel_size: int, stride: int, expansion: int, norm_cfg: dict
    ) -> None:
        hidden = in_channels * expansion
        expand = [ConvModule(in_channels, hidden, 1, norm_cfg=norm_cfg)] if expansion > 1 else []
        padding = kernel_size // 2
        super().__init__(
            *expand,
            ConvModule(hidden, hidden, kernel_size, stride, padding, groups=hidden, norm_cfg=norm_cfg),
            ConvModule(hidden, out_channels, 1, norm_cfg=norm_cfg, act_cfg=None),
        )
        self.has_shortcut = stride == 1 and in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        out = super().forward(x)
        return x + out if self.has_shortcut else out


@MODELS.register_module()
class SeaFormer(LeveledEncoder):
    """Encoder of SeaFormer-T/S/B/L; the sizes are in ``configs/_base_/models/seaformer_seaformer-*.py``.

    Args:
        stages: for every stage its MobileNetV2 blocks, each as (kernel size, expansion, channels, stride).
        stem_channels: channels of the first convolution, of stride 2.
        depths: SEA blocks in each of the last ``len(depths)`` stages.
        key_dims: channels of queries and keys of one head, for each of these stages.
        num_heads: attention heads, the same everywhere.
        ffn_ratios: hidden channels of the feed-forward networks as a multiple of C, for each of these stages.
        drop_path_rate: stochastic depth; within each stage it rises from 0 to this.
        norm_cfg: normalisation; ``None`` is BN.
        in_channels: bands of the image.

    Shape:
        x: (B, in_channels, H, W).
        returns: the detail map (B, C_2, H / 8, W / 8), then one map for each stage with SEA blocks, at the strides 32
            and 64 (T, S, B) or 16, 32 and 64 (L); sizes are rounded up.

    Raises:
        ValueError: ``depths``, ``key_dims`` and ``ffn_ratios`` differ in length, or reach back to the detail stage.
    """

    def __init__(
        self,
        stages: Sequence[Sequence[tuple[int, int, int, int]]],
        stem_channels: int,
        depths: Sequence[int],
        key_dims: Sequence[int],
        num_heads: int,
        ffn_ratios: Sequence[float],
        drop_path_rate: float = 0.1,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
        in_channels: int = 3,
    ) -> None:
        super().__init__(init_cfg)
        if not len(depths) == len(key_dims) == len(ffn_ratios):
            raise ValueError(
                f'depths, key_dims and ffn_ratios have {len(depths)}, {len(key_dims)} and {len(ffn_ratios)} entries: '
                'give one for each stage with SEA blocks'
            )
        if not 0 < len(depths) < len(stages) - DETAIL_STAGE:
            raise ValueError(
                f'depths={list(depths)}: some of the {len(stages)} stages have SEA blocks, the first two have none'
            )
        norm_cfg = norm_cfg or dict(type='BN')
        self.stem = ConvModule(in_channels, stem_channels, 3, stride=2, padding=1, norm_cfg=norm_cfg)
        self.stages = nn.ModuleList()
        widths, strides = [], []
        channels, total_stride = stem_channels, 2
        for settings in stages:
            stage = nn.Sequential()
            for kernel_size, expansion, out_channels, stride in settings:
                stage.append(InvertedResidual(channels, out_channels, kernel_size, stride, expansion, norm_cfg))
                channels, total_stride = out_channels, total_stride * stride
            self.stages.append(stage)
            widths.append(channels)
            strides.append(total_stride)
        given = [DETAIL_STAGE, *range(len(stages) - len(depths), len(stages))]
        self.channels = [widths[i] for i in given]
        self.strides = [strides[i] for i in given]
        self.context = nn.ModuleList()
        for width, depth, key_dim, ratio in zip(widths[-len(depths) :], depths, key_dims, ffn_ratios, strict=True):
            rates = linspace(0, drop_path_rate, depth).tolist()
            blocks = (SEABlock(width, key_dim * num_heads, num_heads, ratio, rate, norm_cfg) for rate in rates)
            self.context.append(nn.Sequential(*blocks))

    def init_weights(self) -> None:
        """Convolutions from a normal distribution of variance 2 / fan-out, the fan-out taken within a group."""
        super().init_weights()
        for module in self.modules():
            if isinstance(module, nn.Conv2d):
                fan_out = math.prod(module.kernel_size) * module.out_channels // module.groups
                normal_init(module, std=math.sqrt(2 / fan_out))

    def forward(self, x: Tensor) -> list[Tensor]:
        x = self.stem(x)
        first_context = len(self.stages) - len(self.context)
        outputs = []
        for i, stage in enumerate(self.stages):
            x = stage(x)
            if i >= first_context:
                x = self.context[i - first_context](x)
            if i == DETAIL_STAGE or i >= first_context:
                outputs.append(x)
        return outputs
