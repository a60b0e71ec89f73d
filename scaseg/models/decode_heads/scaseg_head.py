"""The decoder of SCASeg: Strip Cross-Attention for Efficient Semantic Segmentation (arXiv 2411.17061, IEEE TIP 2026).

No official code is public. Marks: [P] the paper says so, [R] a review of the paper, [I] inferred from its closest
relatives' code, [D] our decision; ``docs/scaseg.md`` holds them all.

    for i = L … 1:  M_i = Cat[ρ_1(F_1), …, ρ_i(F_i), D_{i+1}, …, D_L];  D_i = CLB(F_i, M_i)     [R]
    O = classify(Σ_i Up(W_i D_i))                                      [R], in the order of FusedProjection [D]
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any

from mmseg.registry import MODELS
from torch import Tensor, nn

from ..layers import build_block, pool_to_grid
from .multi_level_head import MultiLevelHead


@MODELS.register_module()
class SCASegHead(MultiLevelHead):
    """Cross-layer blocks from the deepest level to the shallowest, a fused projection and a 1×1 classifier.

    Works with any number of levels ≥ 2, any strides that double, any channels and any image size.

    Args:
        in_channels: channels of every encoder level, shallow to deep.
        channels: width E of the fused map.
        num_heads: attention heads of every level; strip attention wants them to divide the channels of their level.
        strides: strides of the levels in pixels; each is twice the one before it.
        kv_stride: stride of the grid that keys and values live on, one of ``strides``; ``None`` is the deepest (32 for
            the usual encoders, as in the paper). Shallower is finer: more context, more keys.
        block: config of the blocks, ``forward(x, context)``. Each is given ``channels``, ``kv_channels``,
            ``num_heads`` and ``norm_cfg`` of its level, as far as it takes them; see ``CrossLayerBlock``.
        context: config of what blends the map for keys and values, ``forward(maps)`` with the attributes
            ``out_channels`` and ``decoded``. It is given the ``channels`` of all levels and its ``level``; see
            ``ContextBlend``.
        kwargs: of mmseg's ``BaseDecodeHead``: ``num_classes``, ``dropout_ratio``, ``norm_cfg``, ``loss_decode`` ….

    Shape:
        inputs: the encoder's maps, level j of shape (B, in_channels[j], H / strides[j], W / strides[j]), rounded
            either way.
        returns: logits (B, num_classes, H / strides[0], W / strides[0]).

    Raises:
        ValueError: arguments that do not fit each other.
        UserError: in a forward, maps of other channels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        channels: int,
        num_heads: Sequence[int] = (1, 2, 5, 8),
        strides: Sequence[int] = (4, 8, 16, 32),
        kv_stride: int | None = None,
        block: dict = dict(type='CrossLayerBlock'),
        context: dict = dict(type='ContextBlend'),
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, channels, **kwargs)
        kv_stride = strides[-1] if kv_stride is None else kv_stride
        _check_levels(in_channels, num_heads, strides, kv_stride)
        self.strides = list(strides)
        self.grid_level = list(strides).index(kv_stride)
        self.grid_ratios = [kv_stride / stride for stride in strides]
        self.contexts = nn.ModuleList(
            build_block(context, 'ContextBlend', channels=list(in_channels), level=level)
            for level in range(len(in_channels))
        )
        self.decoded_context = self.contexts[0].decoded
        self.blocks = nn.ModuleList(self._build_block(block, level, heads) for level, heads in enumerate(num_heads))
        self._init_fusion(in_channels)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        features = self._transform_inputs(inputs)
        size = features[self.grid_level].shape[-2:]
        on_grid = [pool_to_grid(x, ratio, size) for x, ratio in zip(features, self.grid_ratios, strict=True)]
        decoded = list(features)
        for i in reversed(range(len(features))):
            decoded[i] = self.blocks[i](features[i], self.contexts[i](on_grid))
            if i > 0 and self.decoded_context:  # shallower levels see this one as decoded
                on_grid[i] = pool_to_grid(decoded[i], self.grid_ratios[i], size)
        return self._classify(decoded)

    def _build_block(self, block: dict, level: int, num_heads: int) -> nn.Module:
        channels, kv_channels = self.in_channels[level], self.contexts[level].out_channels
        arguments = dict(channels=channels, kv_channels=kv_channels, num_heads=num_heads, norm_cfg=self.norm_cfg)
        try:
            return build_block(block, 'CrossLayerBlock', **arguments)
        except ValueError as error:
            place = f'in_channels[{level}]={channels}, num_heads[{level}]={num_heads}'
            raise ValueError(f'decode_head.block of the level with {place}: {error}') from error


def _check_levels(
    in_channels: Sequence[int], num_heads: Sequence[int], strides: Sequence[int], kv_stride: int
) -> None:
    """Raise a ValueError that names the argument of ``SCASegHead`` that does not fit."""
    levels = len(in_channels)
    if levels < 2:
        raise ValueError(f'in_channels={list(in_channels)}: SCASegHead needs two levels at least')
    if not levels == len(num_heads) == len(strides):
        raise ValueError(
            f'in_channels, num_heads and strides have {levels}, {len(num_heads)} and {len(strides)} entries: '
            'give one for each level'
        )
    if any(deep != 2 * shallow for shallow, deep in pairwise(strides)):
        raise ValueError(f'strides={list(strides)}: each level must have twice the stride of the one before it')
    if kv_stride not in strides:
        raise ValueError(f'kv_stride={kv_stride} is not one of the strides {list(strides)}')
