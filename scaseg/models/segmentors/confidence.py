"""How sure a network is of the label it gives a pixel."""

from collections.abc import Iterator

import torch
from torch import Tensor

from .class_scores import ClassScores, Size
from .row_scores import RowScores


@torch.no_grad()
def label_confidence(scores: ClassScores | RowScores, size: Size, are_probabilities: bool) -> Tensor:
    """The probability of the label of every pixel, from a few planes or rows of the scores at a time.

    Args:
        scores: of one image.
        size: (H, W) of the result.
        are_probabilities: else logits, of which the softmax is taken, or the sigmoid where there is one output.

    Returns:
        (1, H, W) float32, 0..1. Scores of masks are no distribution: theirs is the score of the class itself.
    """
    if isinstance(scores, RowScores):
        best = torch.empty(1, *size, device=scores.device)
        for rows, band in scores.at(size).bands():
            best[:, rows] = band.amax(dim=1)
        return best.clamp_(0, 1)
    if scores.num_classes == 1:
        plane = scores.planes(size)[:, 0].float()
        probability = plane if are_probabilities else plane.sigmoid()
        return torch.maximum(probability, 1 - probability)
    planes = _planes(scores, size)
    best = next(planes)
    total = torch.ones_like(best)  # sum of exp(logit - best)
    for plane in planes:
        larger = torch.maximum(best, plane)
        if not are_probabilities:
            total.mul_((best - larger).exp_()).add_((plane - larger).exp_())
        best = larger
    return best.clamp_(0, 1) if are_probabilities else total.reciprocal_()


def _planes(scores: ClassScores, size: Size) -> Iterator[Tensor]:
    for start in range(scores.num_classes):
        yield scores.planes(size, slice(start, start + 1))[:, 0].float()
