"""The base of scaseg's heads: the levels they take and what is checked about them, fusion, classification, loss."""

from collections.abc import Sequence
from typing import Any

import torch
from mmcv.cnn import build_activation_layer, build_norm_layer
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.utils import SampleList
from torch import Tensor

from scaseg.errors import UserError

from ..layers import FusedProjection
from ..losses import BandedCrossEntropyLoss


class MultiLevelHead(BaseDecodeHead):
    """mmseg's head over several levels, which says what does not fit where mmseg fails an assertion without words.

    A ``BandedCrossEntropyLoss`` takes the logits as they are. Where there are other losses beside it, or a ``sampler``
    that picks pixels by their logits, they are resized to the labels first, as mmseg does for every loss.

    Args:
        in_channels: channels of the levels that the head takes, shallow to deep.
        channels: width of the map that is classified.
        in_index: levels of the encoder to take, shallow to deep; ``None`` takes them all.
        input_transform: of mmseg's ``BaseDecodeHead``.
        kwargs: of mmseg's ``BaseDecodeHead``: ``num_classes``, ``dropout_ratio``, ``norm_cfg``, ``loss_decode`` ….

    Raises:
        ValueError: at construction, ``in_channels`` and ``in_index`` do not have one entry for each level.
        UserError: in a forward, the encoder gives fewer levels than ``in_index`` names, or maps of other channels.
    """

    def __init__(
        self,
        in_channels: int | Sequence[int],
        channels: int,
        in_index: int | Sequence[int] | None = None,
        input_transform: str | None = 'multiple_select',
        **kwargs: Any,
    ) -> None:
        in_channels = in_channels if isinstance(in_channels, int) else list(in_channels)
        if in_index is None:
            in_index = list(range(len(_as_list(in_channels))))
        super().__init__(
            in_channels=in_channels, channels=channels, in_index=in_index, input_transform=input_transform, **kwargs
        )

    def loss_and_map(
        self, inputs: Sequence[Tensor], batch_data_samples: SampleList
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses, and what ``forward`` gives for the same inputs, from one pass."""
        output = self(inputs)
        return self.loss_by_feat(output, batch_data_samples), output

    def loss(
        self, inputs: Sequence[Tensor], batch_data_samples: SampleList, train_cfg: dict | None
    ) -> dict[str, Tensor]:
        return self.loss_and_map(inputs, batch_data_samples)[0]

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        if not isinstance(self.loss_decode, BandedCrossEntropyLoss) or self.sampler is not None:
            return super().loss_by_feat(seg_logits, batch_data_samples)
        labels = torch.cat([sample.gt_sem_seg.data for sample in batch_data_samples])
        loss, accuracy = self.loss_decode.with_accuracy(seg_logits, labels, self.ignore_index, self.align_corners)
        return {self.loss_decode.loss_name: loss, 'acc_seg': accuracy}

    def _init_fusion(self, in_channels: Sequence[int]) -> None:
        """Add the layers of ``_classify`` for maps of these channels."""
        self.fusion = FusedProjection(in_channels, self.channels)
        self.fusion_norm = build_norm_layer(self.norm_cfg or dict(type='BN'), self.channels)[1]
        self.fusion_act = build_activation_layer(self.act_cfg)

    def _classify(self, maps: Sequence[Tensor]) -> Tensor:
        """Fused projection, norm, activation and 1×1 classifier: logits at the size of the first map."""
        return self.cls_seg(self.fusion_act(self.fusion_norm(self.fusion(maps))))

    def _init_inputs(
        self, in_channels: int | Sequence[int], in_index: int | Sequence[int], input_transform: str | None
    ) -> None:
        channels, indices = _as_list(in_channels), _as_list(in_index)
        if len(channels) != len(indices):
            raise ValueError(f'in_channels={in_channels}, in_index={in_index}: give one of each for every level')
        self.level_channels = channels
        super()._init_inputs(in_channels, in_index, input_transform)

    def _transform_inputs(
        self, inputs: Sequence[Tensor]
    ) -> Any:  # a map or a list of maps, as ``input_transform`` says
        indices = _as_list(self.in_index)
        if max(indices) >= len(inputs):
            raise UserError(f'decode_head.in_index={self.in_index}, but the encoder gives {len(inputs)} levels')
        channels = [inputs[index].shape[1] for index in indices]
        if channels != self.level_channels:
            raise UserError(
                f'decode_head.in_channels={self.level_channels}, but the encoder gives maps of {channels} channels'
            )
        return super()._transform_inputs(inputs)


def _as_list(x: int | Sequence[int]) -> list[int]:
    return [x] if isinstance(x, int) else list(x)
