"""A confusion matrix and the figures that follow from it.

Rows are true classes, columns predicted ones. A class that is not in the truth has no accuracy and no IoU, whether it
is predicted somewhere or not, and is in no mean; pixels that are taken for it count as missed by their own classes.
"""

from typing import NamedTuple

import torch
from torch import Tensor

from scaseg.errors import UserError

BAND = 2**16  # pixels that are counted at a time on a CPU: what lies in between stays in its cache


class ClassFigures(NamedTuple):
    """Figures of each class, (K,) float64 in 0..1. NaN: the class is not in the truth."""

    iou: Tensor
    """TP / (TP + FP + FN)."""
    acc: Tensor
    """TP / (TP + FN), the recall."""
    dice: Tensor
    """2 TP / (2 TP + FP + FN), the F1 score."""
    share: Tensor
    """The class's share of the labelled pixels; 0, not NaN, for a class that is not in the truth."""


def confusion_matrix(prediction: Tensor, label: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count the pixels of each pair of true and predicted class.

    Args:
        prediction: class ids, integers of any shape.
        label: class ids of the same shape, or ``ignore_index`` where a pixel does not count.
        num_classes: number of classes K.
        ignore_index: label of the pixels to leave out.

    Returns:
        (K, K) int64 on the device of ``prediction``: row = true class, column = predicted class.

    Raises:
        UserError: an id that counts is not in 0..K-1.
    """
    label = label.to(prediction.device).flatten()
    band = BAND if prediction.device.type == 'cpu' else max(label.numel(), 1)
    total = torch.zeros(num_classes**2, dtype=torch.int64, device=prediction.device)
    for predicted, true in zip(prediction.flatten().split(band), label.split(band), strict=True):
        counted = true != ignore_index
        # int32, as the product below would not fit a uint8; pixels that do not count go to the first cell for now
        true, predicted = true.int() * counted, predicted.int() * counted
        _check_ids('label', true, num_classes)
        _check_ids('prediction', predicted, num_classes)
        total += torch.bincount(true * num_classes + predicted, minlength=num_classes**2)
        total[0] -= counted.numel() - counted.sum()
    return total.view(num_classes, num_classes)


def _check_ids(name: str, ids: Tensor, num_classes: int) -> None:
    if not ids.numel():
        return
    least, most = (int(value) for value in ids.aminmax())
    if least < 0 or most >= num_classes:
        raise UserError(
            f'the {name} holds class id {most if most >= num_classes else least}, but the data set has {num_classes} '
            'classes: check the num_classes of the decode head and, with CheckLabels in the test pipeline, the label '
            'files.'
        )


def class_figures(matrix: Tensor) -> ClassFigures:
    """Figures of each class from a (K, K) confusion matrix of pixel counts."""
    matrix = matrix.double()
    hits, truth, predicted = matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)
    truth_or_nan = truth.where(truth > 0, torch.nan)
    both = truth_or_nan + predicted
    return ClassFigures(
        iou=hits / (both - hits), acc=hits / truth_or_nan, dice=2 * hits / both, share=truth / truth.sum()
    )


def mean_figures(matrix: Tensor) -> dict[str, float]:
    """Figures in percent from a (K, K) confusion matrix of pixel counts.

    Returns:
        ``mIoU``, ``mAcc``, ``mDice``: means over the classes in the truth; ``aAcc``: the share of the pixels that are
        right; ``fwIoU``: mean IoU, each class weighted by its share of the pixels.
    """
    figures = class_figures(matrix)
    return {
        'mIoU': 100 * figures.iou.nanmean().item(),
        'mAcc': 100 * figures.acc.nanmean().item(),
        'aAcc': 100 * matrix.diagonal().sum().item() / matrix.sum().item(),
        'fwIoU': 100 * (figures.share * figures.iou).nansum().item(),
        'mDice': 100 * figures.dice.nanmean().item(),
    }
