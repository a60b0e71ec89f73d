"""The decoder of SCASeg: Strip Cross-Attention for Efficient Semantic Segmentation (arXiv 2411.17061, IEEE TIP 2026).

No official code is public. Marks: [P] the paper says so, [R] a review of the paper, [I] inferred from its closest
relatives' code, [D] our decision; ``docs/scaseg.md`` holds them all.

    for i = L … 1:  M_i = Cat[ρ_1(F_1), …, ρ_i(F_i), D_{i+1}, …, D_L];  D_i = CLB(F_i, M_i)     [R]
    O = classify(Σ_i Up(W_i D_i))                                      [R], in the order of FusedProjection [D]
"""

from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

from mmcv.cnn import build_activation_layer, build_norm_layer
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..layers import ContextBlend, CrossLayerBlock, FusedProjection, pool_to_grid
from .banded_loss_head import BandedLossHead


@MODELS.register_module()
class SCASegHead(BandedLossHead):
    """Cross-layer blocks from the deepest level to the shallowest, a fused projection and a 1×1 classifier.

    Works with any number of levels ≥ 2, any strides that double, any channels and any image size.

    Args:
        in_channels: channels of every encoder level, shallow to deep.
        channels: width E of the fused map.
        num_heads: attention heads of every level; each divides the channels of its level.
        strides: strides of the levels in pixels; each is twice the one before it.
        kv_stride: stride of the grid that keys and values live on, one of ``strides``; ``None`` is the deepest (32 for
            the usual encoders, as in the paper). Shallower is finer: more context, more keys.
        kv_source: what the blended map is made from: ``'cross_layer'`` (the paper), ``'encoder'`` or ``'self'``, see
            ``ContextBlend``.
        attention: ``'strip'`` (the paper) or ``'vanilla'``, see ``StripCrossAttention``.
        qk_scale: factor on the attention logits; ``None`` is (C / num_heads)^-0.5.
        local: ``'parallel'``, ``'serial'`` or ``None``: where local perception stands in a block.
        lpm_kernel: side of the depthwise kernel of local perception.
        ffn_ratio: hidden channels of the feed-forward networks, as a multiple of C.
        drop_path_rate: stochastic depth of the blocks in training.
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
        kv_source: Literal['cross_layer', 'encoder', 'self'] = 'cross_layer',
        attention: Literal['strip', 'vanilla'] = 'strip',
        qk_scale: float | None = None,
        local: Literal['parallel', 'serial'] | None = 'parallel',
        lpm_kernel: int = 3,
        ffn_ratio: float = 4.0,
        drop_path_rate: float = 0.1,
        **kwargs: Any,
    ) -> None:
        kwargs.setdefault('in_index', list(range(len(in_channels))))
        super().__init__(in_channels=list(in_channels), channels=channels, input_transform='multiple_select', **kwargs)
        kv_stride = strides[-1] if kv_stride is None else kv_stride
        _check_levels(in_channels, num_heads, strides, kv_stride)
        self.strides = list(strides)
        self.grid_level = list(strides).index(kv_stride)
        self.grid_ratios = [kv_stride / stride for stride in strides]
        self.decoded_context = kv_source == 'cross_layer'
        contexts = [ContextBlend(in_channels, level, kv_source) for level in range(len(in_channels))]
        self.contexts = nn.ModuleList(contexts)
        self.blocks = nn.ModuleList(
            CrossLayerBlock(
                level_channels,
                context.out_channels,
                heads,
                attention=attention,
                qk_scale=qk_scale,
                local=local,
                lpm_kernel=lpm_kernel,
                ffn_ratio=ffn_ratio,
                drop_path=drop_path_rate,
                norm_cfg=self.norm_cfg,
            )
            for level_channels, context, heads in zip(in_channels, contexts, num_heads, strict=True)
        )
        self.fusion = FusedProjection(in_channels, channels)
        self.fusion_norm = build_norm_layer(self.norm_cfg or dict(type='BN'), channels)[1]
        self.fusion_act = build_activation_layer(self.act_cfg)

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        features = self._transform_inputs(inputs)
        size = features[self.grid_level].shape[-2:]
        on_grid = [pool_to_grid(x, ratio, size) for x, ratio in zip(features, self.grid_ratios, strict=True)]
        decoded = list(features)
        for i in reversed(range(len(features))):
            decoded[i] = self.blocks[i](features[i], self.contexts[i](on_grid))
            if self.decoded_context and i > 0:  # shallower levels see this one as decoded
                on_grid[i] = pool_to_grid(decoded[i], self.grid_ratios[i], size)
        return self.cls_seg(self.fusion_act(self.fusion_norm(self.fusion(decoded))))


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
    for level, (c, heads) in enumerate(zip(in_channels, num_heads, strict=True)):
        if heads < 1 or c % heads:
            raise ValueError(f'num_heads[{level}]={heads} does not divide in_channels[{level}]={c}')
