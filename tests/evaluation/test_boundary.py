"""Boundary IoU against its definition, one pixel at a time, and by hand."""

import numpy as np
import pytest
import torch
from torch import Tensor

from scaseg.evaluation import ConfusionMetric, boundary_counts

IGNORED = 255


def slow_counts(prediction: Tensor, label: Tensor, num_classes: int, distance: int) -> np.ndarray:
    height, width = label.shape
    guess = torch.where(label == IGNORED, IGNORED, prediction)

    def near_contour(ids: Tensor, y: int, x: int, of: int) -> bool:
        if ids[y, x] != of:
            return False
        steps = range(-distance, distance + 1)
        around = [(y + dy, x + dx) for dy in steps for dx in steps]
        return any(not (0 <= v < height and 0 <= u < width) or ids[v, u] != of for v, u in around)

    counts = np.zeros((2, num_classes), dtype=np.int64)
    for y, x, of in np.ndindex(height, width, num_classes):
        in_truth, in_guess = near_contour(label, y, x, of), near_contour(guess, y, x, of)
        counts[:, of] += in_truth and in_guess, in_truth or in_guess
    return counts


@pytest.mark.parametrize('ratio, distance', [(0.001, 1), (0.1, 3)])
def test_counts_are_those_of_the_definition(ratio: float, distance: int) -> None:
    label = torch.randint(3, (6, 8)).repeat_interleave(4, 0).repeat_interleave(3, 1)  # (24, 24), blocks of 4 × 3
    prediction = torch.where(torch.rand(24, 24) < 0.03, 1, label.roll((1, 1), (0, 1)))
    label[5:9, 5:9] = IGNORED
    found = boundary_counts(prediction, label, 3, ratio)
    np.testing.assert_array_equal(found.numpy(), slow_counts(prediction, label, 3, distance))


def test_a_square_that_is_one_pixel_too_large() -> None:
    """The rings of a square of 10 and of one of 12 around it, one pixel wide, have no pixel in common."""
    label, prediction = torch.zeros(2, 30, 30, dtype=torch.int64)
    label[10:20, 10:20] = 1
    prediction[9:21, 9:21] = 1
    found = boundary_counts(prediction, label, 2, ratio=0.01)
    assert found[:, 1].tolist() == [0, 36 + 44]


def test_the_metric_gives_it_on_request_summed_over_the_images() -> None:
    label = torch.randint(2, (3, 5, 6)).repeat_interleave(5, 1).repeat_interleave(5, 2)
    prediction = label.roll(1, 2)
    metric = ConfusionMetric(class_table=False, boundary=0.05)
    metric.dataset_meta = dict(classes=('a', 'b', 'not there'))
    for one, other in zip(prediction, label, strict=True):
        metric.process({}, [dict(pred_sem_seg=dict(data=one), gt_sem_seg=dict(data=other))])
    counts = sum(boundary_counts(one, other, 3, 0.05) for one, other in zip(prediction, label, strict=True))
    expected = 100 * (counts[0] / counts[1])[:2].mean()
    assert metric.evaluate(size=3)['mBoundaryIoU'] == pytest.approx(expected.item())
