"""The block of SeaFormer (arXiv 2301.13156): ``z = x + DropPath(SEA(x))``, ``x' = z + DropPath(FFN(z))``.

The residual stream is never normalised: norms stand after the convolutions inside both branches.
"""

from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from timm.layers import DropPath
from torch import Tensor, nn

from .sea_attention import SEAAttention


class SEABlock(BaseModule):
    """SEA attention and a feed-forward network with a depthwise 3×3 convolution.

    Args:
        channels: channels C of the map.
        key_channels: channels of queries and keys, over all heads; see ``SEAAttention``.
        num_heads: attention heads; divides ``key_channels``.
        ffn_ratio: hidden channels of the feed-forward network, as a multiple of C.
        drop_path: probability to drop a residual branch of a sample in training.
        norm_cfg: normalisation after the convolutions; ``None`` is BN.

    Shape:
        (B, C, H, W) -> (B, C, H, W)
    """

    def __init__(
        self,
        channels: int,
        key_channels: int,
        num_heads: int,
        ffn_ratio: float = 2.0,
        drop_path: float = 0.0,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        norm_cfg = norm_cfg or dict(type='BN')
        hidden = int(channels * ffn_ratio)
        self.attention = SEAAttention(channels, key_channels, num_heads, norm_cfg)
        self.ffn = nn.Sequential(
            ConvModule(channels, hidden, 1, norm_cfg=norm_cfg, act_cfg=None),
            nn.Conv2d(hidden, hidden, 3, padding=1, groups=hidden),
            nn.ReLU6(),
            ConvModule(hidden, channels, 1, norm_cfg=norm_cfg, act_cfg=None),
        )
        self.drop_path = DropPath(drop_path)

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.drop_path(self.attention(x))
        return x + self.drop_path(self.ffn(x))
