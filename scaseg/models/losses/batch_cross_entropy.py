"""mmseg's cross-entropy, as a mean over the batch of all processes."""

from typing import Any

import torch
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor

from .over_processes import process_mean


@MODELS.register_module()
class BatchCrossEntropyLoss(CrossEntropyLoss):
    """mmseg's ``CrossEntropyLoss`` with a softmax, which divides by the pixels of all processes.

    mmseg's divides by those of its own process where ``avg_non_ignore`` or class weights ask for a count: pixels of an
    image with few labels then weigh more, and how much hangs on how images are dealt out. On one process they are one.

    Args:
        class_weight: weight of each class, or a file with them; see mmseg.
        loss_weight: weight of the loss.
        loss_name: name in the logs; begins with ``'loss_'``.
        avg_non_ignore: divide by the number of labelled pixels and not of all.
    """

    def __init__(
        self,
        class_weight: list[float] | str | None = None,
        loss_weight: float = 1.0,
        loss_name: str = 'loss_ce',
        avg_non_ignore: bool = False,
    ) -> None:
        super().__init__(
            class_weight=class_weight, loss_weight=loss_weight, loss_name=loss_name, avg_non_ignore=avg_non_ignore
        )

    def forward(
        self, cls_score: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255, **kwargs: Any
    ) -> Tensor:
        """The loss of logits (B, K, H, W) and labels (B, H, W); ``weight`` of pixels is what samplers give."""
        kwargs.setdefault('avg_factor', self.divisor(label, ignore_index))
        return super().forward(cls_score, label, weight, ignore_index=ignore_index, **kwargs)

    def divisor(self, labels: Tensor, ignore_index: int) -> Tensor:
        """Pixels that the sum of the losses is divided by, or their weights, averaged over the processes."""
        labelled = labels != ignore_index
        if self.class_weight is not None:
            weight = torch.tensor(self.class_weight, device=labels.device)
            return process_mean(weight[labels[labelled]].sum())
        if self.avg_non_ignore:
            return process_mean(labelled.sum())
        return torch.tensor(float(labels.numel()), device=labels.device)
