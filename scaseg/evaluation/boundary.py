"""Boundary IoU (Cheng et al., CVPR 2021, arXiv 2103.16562), for semantic maps: how well contours are met.

The IoU of a large object hardly changes with its contour. Boundary IoU compares, for each class, only the pixels
inside it that are at most d away from its contour, d being a share of the image's diagonal. Distances are those of the
paper's code: d steps of erosion with a 3 × 3 square, where the image's border counts as contour. Counts are summed
over the data set before the division, as for the IoU.
"""

import cv2
import numpy as np
import torch
from torch import Tensor


def boundary_counts(
    prediction: Tensor, label: Tensor, num_classes: int, ratio: float, ignore_index: int = 255
) -> Tensor:
    """Pixels near the contours of the classes.

    Args:
        prediction: class ids (H, W).
        label: class ids (H, W), or ``ignore_index`` where a pixel belongs to no class, in either map.
        num_classes: number of classes K.
        ratio: d as a share of the diagonal of the image; d is rounded, and is 1 pixel at least.
        ignore_index: label of the pixels to leave out.

    Returns:
        (2, K) int64 on the CPU: intersection and union of the pixels of each class near its contour.
    """
    truth = np.where(label.cpu().numpy() == ignore_index, num_classes, label.cpu().numpy()).astype(np.uint16)
    guess = np.where(truth == num_classes, num_classes, prediction.cpu().numpy()).astype(np.uint16)
    distance = max(1, round(ratio * float(np.hypot(*truth.shape))))
    near_truth, near_guess = (np.where(_is_near_contour(ids, distance), ids, num_classes) for ids in (truth, guess))
    both = np.where(near_truth == near_guess, near_truth, num_classes)
    of_truth, of_guess, shared = (
        np.bincount(ids.ravel(), minlength=num_classes + 1)[:num_classes] for ids in (near_truth, near_guess, both)
    )
    return torch.from_numpy(np.stack([shared, of_truth + of_guess - shared]))


def _is_near_contour(ids: np.ndarray, distance: int) -> np.ndarray:
    """Where the square of 2 d + 1 pixels around a pixel holds another id, or reaches out of the image."""
    square = np.ones((2 * distance + 1, 2 * distance + 1), np.uint8)
    largest = cv2.dilate(ids, square, borderType=cv2.BORDER_CONSTANT, borderValue=65535)
    smallest = cv2.erode(ids, square)
    return (largest != ids) | (smallest != ids)
