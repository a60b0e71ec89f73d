"""The class of every pixel, without the scores of all classes at full size.

Scores come out of a network at a fraction of the image's size; resized they are K planes of H × W, which take hundreds
of megabytes, are written and read again, and are reduced to one plane. Here a plane is resized, compared with the best
so far, and forgotten: the memory is that of a few planes, whatever K is.
"""

from collections.abc import Callable, Sequence

import torch
import torch.nn.functional as F
from torch import Tensor

CLASSES_AT_ONCE_ON_GPU = 16  # one plane would keep a GPU less busy than the launch of its kernels


def upsample_argmax(scores: Tensor, size: tuple[int, int], align_corners: bool = False) -> Tensor:
    """The labels of ``F.interpolate(scores, size, mode='bilinear').argmax(1)``, bit for bit.

    The layout in memory makes no difference: channels-last scores are resized as contiguous ones, where torch has two
    kernels that differ in the last bit.

    Args:
        scores: finite floating-point scores (B, K, h, w) of K classes.
        size: (H, W), larger or smaller than (h, w).
        align_corners: as in ``F.interpolate``.

    Returns:
        (B, H, W) int64, in 0..K-1; among equal scores the first class.
    """
    scores = scores.contiguous()

    def planes(classes: slice) -> Tensor:
        return F.interpolate(scores[:, classes], size, mode='bilinear', align_corners=align_corners)

    return argmax_of_planes(planes, scores.shape[1], classes_at_once(scores, [size]))


@torch.no_grad()
def argmax_of_planes(planes: Callable[[slice], Tensor], num_classes: int, at_once: int) -> Tensor:
    """The labels of ``planes(slice(0, num_classes)).argmax(1)``, from a few planes at a time.

    Args:
        planes: gives the finite scores (B, k, H, W) of a slice of k classes.
        num_classes: K, 1 or more.
        at_once: the most classes to ask for at once, see ``classes_at_once``.

    Returns:
        (B, H, W) int64, in 0..K-1; among equal scores the first class.
    """
    if at_once >= num_classes:
        return planes(slice(0, num_classes)).argmax(dim=1)
    best = planes(slice(0, 1))[:, 0].clone()  # overwritten below, and may be a view of the scores
    # uint8 where it holds the ids: a quarter of the time of int32
    labels = torch.zeros_like(best, dtype=torch.uint8 if num_classes <= 256 else torch.int32)
    for start in range(1, num_classes, at_once):
        chunk = planes(slice(start, min(start + at_once, num_classes)))
        if chunk.shape[1] == 1:
            top, wins = chunk[:, 0], (chunk[:, 0] > best).view(torch.uint8).to(labels.dtype).mul_(start)
        else:
            top, ids = chunk.max(dim=1)
            wins = (top > best) * ids.add_(start).to(labels.dtype)
        # Ids only grow: where the chunk wins, its id is the larger one. A product and a maximum of small integers take
        # a tenth of the time of a masked fill.
        torch.maximum(labels, wins, out=labels)
        torch.maximum(best, top, out=best)
    return labels.long()


def classes_at_once(scores: Tensor, sizes: Sequence[tuple[int, int]]) -> int:
    """How many planes to resize together, so that each is what it would be among all of them.

    torch's kernels for the CPU round otherwise where there are three channels, where height and width sum up to 128 or
    less, and from a map of a single position; each time all planes together take little memory, or there are few.

    Args:
        scores: (B, K, h, w).
        sizes: every (H, W) that the planes are resized to, one after the other.
    """
    num_classes = scores.shape[1]
    if num_classes <= 3 or scores.shape[-2:].numel() == 1 or any(height + width <= 128 for height, width in sizes):
        return num_classes
    return 1 if scores.device.type == 'cpu' else CLASSES_AT_ONCE_ON_GPU
