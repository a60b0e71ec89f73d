"""mmseg's cross-entropy in the memory of the logits at their own size."""

from typing import Any

import torch
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.ops.upsampled_cross_entropy import upsampled_cross_entropy

from .batch_cross_entropy import BatchCrossEntropyLoss


@MODELS.register_module()
class BandedCrossEntropyLoss(BatchCrossEntropyLoss):
    """Softmax cross-entropy at the size of the labels, from logits of any size.

    The same loss and gradients as ``BatchCrossEntropyLoss``, the mean over all pixels as there. The heads of scaseg
    hand their logits over as they are; those of mmseg resize them first, and save what the loss would copy.

    Args:
        See ``BatchCrossEntropyLoss``.
    """

    def forward(
        self, cls_score: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255, **kwargs: Any
    ) -> Tensor:
        """The loss; with weights of pixels, as samplers give them, it is mmseg's and as large."""
        if weight is not None:
            return super().forward(cls_score, label, weight, ignore_index=ignore_index, **kwargs)
        return self.with_accuracy(cls_score, label, ignore_index, **kwargs)[0]

    def with_accuracy(
        self, logits: Tensor, labels: Tensor, ignore_index: int = 255, align_corners: bool = False
    ) -> tuple[Tensor, Tensor]:
        """The loss, and the share of labelled pixels that are right, in percent.

        Args:
            logits: (B, K, h, w).
            labels: (B, H, W), in 0 … K - 1 or ``ignore_index``.
            ignore_index: label of pixels without a class.
            align_corners: of the bilinear interpolation.

        Returns:
            Two scalars. Where nothing is labelled the accuracy is 0.
        """
        weight = None if self.class_weight is None else torch.tensor(self.class_weight, device=logits.device)
        total, right = upsampled_cross_entropy(logits, labels, weight, ignore_index, align_corners)
        # As mmseg: finite where nothing is labelled.
        mean = total / (self.divisor(labels, ignore_index) + torch.finfo(torch.float32).eps)
        pixels = (labels != ignore_index).sum()
        return self.loss_weight * mean, 100.0 * right / pixels.clamp(min=1)
