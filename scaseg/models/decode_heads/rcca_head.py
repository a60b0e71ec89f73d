"""The head of CCNet (arXiv 1811.11721): recurrent criss-cross attention (RCCA).

Layers and their names are those of mmseg's ``CCHead``, so that its checkpoints load; by config also the official ones,
which have InPlaceABN (a norm and a leaky ReLU) and ``align_corners=True``. The category-consistent loss of the journal
version is in no released code; see ``CategoryConsistentLoss``.
"""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models.decode_heads import FCNHead
from mmseg.registry import MODELS
from mmseg.utils import SampleList
from torch import Tensor, nn

from ..layers import build_block
from ..losses import CategoryConsistentLoss
from .multi_level_head import MultiLevelHead


@MODELS.register_module()
class RCCAHead(MultiLevelHead, FCNHead):
    """3×3 convolution, R times one criss-cross attention, 3×3 convolution; joined with the input and classified.

    Args:
        in_channels: channels of the encoder level ``in_index``; of several with ``input_transform='resize_concat'``.
        channels: width of the head.
        recurrence: R, how often the attention is applied, 1 at least; two times reach every pixel from every other.
        attention: config of the attention, ``forward(x)``; it is given ``channels``. See ``CrissCrossAttention``.
        loss_category: config of a ``CategoryConsistentLoss`` on the attention's output; ``None`` is none.
        category_channels: channels that a 1×1 convolution reduces this output to for that loss.
        kwargs: of mmseg's ``FCNHead`` and ``BaseDecodeHead``: ``num_classes``, ``concat_input``, ``sampler`` ….

    Shape:
        inputs: the encoder's maps, of which level ``in_index`` (the first of several) has H × W positions.
        returns: logits (B, num_classes, H, W).

    Raises:
        ValueError: ``recurrence`` is no number of times, ``loss_category`` another loss, or ``kwargs`` hold
            ``num_convs`` or ``input_transform='multiple_select'``.
        UserError: in a forward, a map of other channels.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        channels: int,
        recurrence: int = 2,
        attention: dict = dict(type='CrissCrossAttention'),
        loss_category: dict | None = None,
        category_channels: int = 16,
        **kwargs: Any,
    ) -> None:
        if 'num_convs' in kwargs or kwargs.get('input_transform') == 'multiple_select':
            raise ValueError("RCCAHead has two convolutions (no num_convs), and takes one map (no 'multiple_select')")
        kwargs = dict(in_index=-1, input_transform=None) | kwargs  # one level, unless it is told otherwise
        super().__init__(in_channels, channels, num_convs=2, **kwargs)
        if not isinstance(recurrence, int) or recurrence < 1:
            raise ValueError(
                f'recurrence={recurrence!r}: expected a number of times; without attention this head is an FCNHead'
            )
        self.recurrence = recurrence
        self.cca = build_block(attention, 'CrissCrossAttention', channels=channels)
        self.loss_category = None if loss_category is None else MODELS.build(loss_category)
        if not isinstance(self.loss_category, CategoryConsistentLoss | None):
            kind = type(self.loss_category).__name__
            raise ValueError(f'loss_category.type={kind!r}: expected a CategoryConsistentLoss, which takes features')
        if self.loss_category is not None:
            self.category_conv = nn.Conv2d(channels, category_channels, 1)

    def _forward_feature(self, inputs: Sequence[Tensor]) -> Tensor:
        x = self._transform_inputs(inputs)
        return self._merge(x, self._attend(x))

    def loss_and_map(
        self, inputs: Sequence[Tensor], batch_data_samples: SampleList
    ) -> tuple[dict[str, Tensor], Tensor]:
        x = self._transform_inputs(inputs)
        attended = self._attend(x)
        output = self.cls_seg(self._merge(x, attended))
        losses = self.loss_by_feat(output, batch_data_samples)
        if self.loss_category is not None:
            labels = self._stack_batch_gt(batch_data_samples)
            reduced = self.category_conv(attended)
            losses |= self.loss_category(reduced, labels, self.num_classes, self.ignore_index)
        return losses, output

    def _attend(self, x: Tensor) -> Tensor:
        x = self.convs[0](x)
        for _ in range(self.recurrence):
            x = self.cca(x)
        return x

    def _merge(self, x: Tensor, attended: Tensor) -> Tensor:
        out = self.convs[1](attended)
        return self.conv_cat(torch.cat([x, out], dim=1)) if self.concat_input else out
