"""SEA attention (SeaFormer, arXiv 2301.13156) as a decoder on any encoder: our construction, to compare heads.

It is ``SCASegHead`` with each cross-layer block replaced by a block of SEA attention:

    D_i = SEABlock(F_i);  O = classify(Σ_i Up(W_i D_i))

so that two configs which differ in the head alone compare the attentions: across levels there, along the axes of a
level here. SeaFormer itself has these blocks in its encoder, and ``LightFusionHead`` on top.
"""

from collections.abc import Sequence
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn

from ..layers import build_block
from .multi_level_head import MultiLevelHead


@MODELS.register_module()
class SEAHead(MultiLevelHead):
    """A SEA block on every level, a fused projection and a 1×1 classifier.

    Works with any number of levels, any strides and any image size. Queries and keys have half as many channels as
    their level, values as many, which keeps the block's weights near those of a cross-layer block.

    Args:
        in_channels: channels of every encoder level, shallow to deep.
        channels: width E of the fused map.
        num_heads: attention heads of every level; each divides half the channels of its level.
        block: config of the blocks, ``forward(x)``. Each is given ``channels``, ``key_channels``, ``num_heads`` and
            ``norm_cfg`` of its level, as far as it takes them; see ``SEABlock``.
        kwargs: of mmseg's ``BaseDecodeHead``: ``num_classes``, ``dropout_ratio``, ``norm_cfg``, ``loss_decode`` ….

    Shape:
        inputs: the encoder's maps (B, in_channels[j], H_j, W_j).
        returns: logits (B, num_classes, H_0, W_0), at the size of the first level.

    Raises:
        ValueError: ``num_heads`` does not fit ``in_channels``.
        UserError: in a forward, maps of other channels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_heads: Sequence[int] = (1, 2, 5, 8),
        block: dict = dict(type='SEABlock'),
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, channels, **kwargs)
        if len(num_heads) != len(in_channels):
            raise ValueError(f'num_heads={list(num_heads)}: give one for each of the {len(in_channels)} levels')
        for level, (width, heads) in enumerate(zip(in_channels, num_heads, strict=True)):
            if heads < 1 or width % (2 * heads):
                raise ValueError(f'num_heads[{level}]={heads} does not divide half of in_channels[{level}]={width}')
        self.blocks = nn.ModuleList(
            build_block(
                block, 'SEABlock', channels=width, key_channels=width // 2, num_heads=heads, norm_cfg=self.norm_cfg
            )
            for width, heads in zip(in_channels, num_heads, strict=True)
        )
        self._init_fusion(in_channels)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        features = self._transform_inputs(inputs)
        decoded = [block(x) for block, x in zip(self.blocks, features, strict=True)]
        return self._classify(decoded)
