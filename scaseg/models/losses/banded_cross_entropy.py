"""mmseg's cross-entropy in the memory of the logits at their own size."""

from typing import Any

import torch
from mmseg.models.losses import CrossEntropyLoss
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.ops.upsampled_cross_entropy import upsampled_cross_entropy


@MODELS.register_module()
class BandedCrossEntropyLoss(CrossEntropyLoss):
    """Softmax cross-entropy at the size of the labels, from logits of any size.

    The same loss and gradients as mmseg's ``CrossEntropyLoss``, the mean over all pixels as there. The heads of scaseg
    hand their logits over as they are; those of mmseg resize them first, and save what the loss would copy.

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
        labelled = labels != ignore_index
        pixels = labelled.sum()
        divisor: Tensor | int = pixels if self.avg_non_ignore else labels.numel()
        if weight is not None:
            divisor = weight[labels[labelled]].sum()
        mean = total / (divisor + torch.finfo(torch.float32).eps)  # as mmseg: finite where nothing is labelled
        return self.loss_weight * mean, 100.0 * right / pixels.clamp(min=1)
