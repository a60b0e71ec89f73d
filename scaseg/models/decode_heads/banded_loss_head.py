"""What a head needs to take its loss without resizing its logits."""

import torch
from mmseg.utils import SampleList
from torch import Tensor

from ..losses import BandedCrossEntropyLoss
from .checked_head import CheckedHead


class BandedLossHead(CheckedHead):
    """A head that hands its logits to a ``BandedCrossEntropyLoss`` as they are.

    Where there are other losses beside it, or a ``sampler`` that picks pixels by their logits, the logits are resized
    to the labels first, as mmseg does for every loss.
    """

    def loss_by_feat(self, seg_logits: Tensor, batch_data_samples: SampleList) -> dict[str, Tensor]:
        if not isinstance(self.loss_decode, BandedCrossEntropyLoss) or self.sampler is not None:
            return super().loss_by_feat(seg_logits, batch_data_samples)
        labels = torch.cat([sample.gt_sem_seg.data for sample in batch_data_samples])
        loss, accuracy = self.loss_decode.with_accuracy(seg_logits, labels, self.ignore_index, self.align_corners)
        return {self.loss_decode.loss_name: loss, 'acc_seg': accuracy}
