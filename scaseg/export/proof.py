"""Is an exported network the network? Scores and labels of both on the same images."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

MOST_FLIPS = 1e-3  # share of labels that may differ in float32


@dataclass(frozen=True)
class Proof:
    """How far an exported network is from its original.

    Attributes:
        shapes: of the batches of images that were compared.
        relative_error: largest difference of scores over the largest score; None where the network gives labels.
        flips: share of labels that differ, 0..1, over all pixels of the results.
    """

    shapes: tuple[tuple[int, ...], ...]
    relative_error: float | None
    flips: float

    def __str__(self) -> str:
        images = ', '.join('x'.join(map(str, shape)) for shape in self.shapes)
        error = '' if self.relative_error is None else f'largest relative error of scores {self.relative_error:.1e}, '
        return f'{error}{100 * self.flips:.4f} % of labels flip, on images {images}'


@torch.no_grad()
def prove(
    original: Callable[[Tensor], Tensor], exported: Callable[[Tensor], Tensor], batches: Sequence[Tensor]
) -> Proof:
    """Compare two networks.

    Args:
        original: images -> scores (B, K, h, w), or labels (B, H, W) of an integer type.
        exported: likewise.
        batches: images.
    """
    error, flips, pixels = 0.0, 0, 0
    gives_labels = False
    for images in batches:
        expected, found = original(images), exported(images)
        gives_labels = not expected.is_floating_point()
        if not gives_labels:
            scale = expected.abs().amax().clamp(min=torch.finfo(torch.float32).tiny)
            error = max(error, ((found - expected).abs().amax() / scale).item())
            expected, found = _labels(expected), _labels(found)
        flips += int((expected != found).sum())
        pixels += expected.numel()
    return Proof(tuple(tuple(images.shape) for images in batches), None if gives_labels else error, flips / pixels)


def _labels(scores: Tensor) -> Tensor:
    return scores.argmax(dim=1) if scores.shape[1] > 1 else scores > 0
