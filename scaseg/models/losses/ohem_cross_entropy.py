"""Cross-entropy of the hard pixels: online hard example mining (OHEM), as the official code of CCNet has it."""

import math
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from .over_processes import process_mean


@MODELS.register_module()
class OHEMCrossEntropyLoss(nn.Module):
    """Mean cross-entropy of the pixels whose class has a probability below ``thresh``, and of ``min_kept`` at least.

    mmseg's ``OHEMPixelSampler`` picks the same pixels, but divides the loss by the number of all pixels, so that it
    shrinks as fewer are hard, beside an auxiliary loss that does not.

    The pixels are picked by each process among its own, as in the official code: with enough hard pixels everywhere
    ``thresh`` alone picks them, and the loss does not depend on the number of processes. The mean is over the pixels
    that all processes have picked.

    Args:
        thresh: probability of its own class below which a pixel is hard.
        min_kept: labelled pixels of a process's batch to take, the hardest ones, where fewer are hard.
        loss_weight: weight of the loss.
        loss_name: name in the logs; begins with ``'loss_'``.

    Shape:
        cls_score: logits (B, K, H, W).
        label: (B, H, W), in 0 … K - 1 or ``ignore_index``.
        returns: a scalar; 0 where nothing is labelled.

    Raises:
        ValueError: ``thresh`` is no probability, or ``min_kept`` is below 1.
    """

    def __init__(
        self, thresh: float = 0.7, min_kept: int = 100_000, loss_weight: float = 1.0, loss_name: str = 'loss_ohem'
    ) -> None:
        super().__init__()
        if not 0 < thresh <= 1 or min_kept < 1:
            raise ValueError(f'thresh={thresh}, min_kept={min_kept}: expected 0 < thresh <= 1 and min_kept >= 1')
        self.least_loss = -math.log(thresh)
        self.min_kept = min_kept
        self.loss_weight = loss_weight
        self.loss_name = loss_name

    def forward(
        self, cls_score: Tensor, label: Tensor, weight: Tensor | None = None, ignore_index: int = 255, **_: Any
    ) -> Tensor:
        """The loss; ``weight`` of the pixels is what samplers give, and multiplies theirs."""
        losses = F.cross_entropy(cls_score, label, ignore_index=ignore_index, reduction='none')
        losses = (losses if weight is None else losses * weight)[label != ignore_index]
        if losses.numel():
            hardest = losses.detach().topk(min(self.min_kept, losses.numel()), sorted=True).values
            losses = losses[losses >= hardest[-1].clamp(max=self.least_loss)]
        pixels = process_mean(torch.tensor(losses.numel(), device=losses.device))
        return self.loss_weight * losses.sum() / pixels.clamp(min=1)
