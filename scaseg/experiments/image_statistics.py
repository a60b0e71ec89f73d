"""The other uncertainty: other images would have given other figures, from the very same networks.

The variants' per-image confusion matrices are resampled together, image by image, and the figures of the data set are
computed from the sums of each sample, as they are from all images.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from scipy import stats

from scaseg.errors import UserError
from scaseg.evaluation import ImageMatrices

from .statistics import LEVEL

RESAMPLES = 2000
BATCH = 50  # samples held in memory at a time


@dataclass(frozen=True)
class ImageInterval:
    """A difference of data-set mIoU in points of percent with its 95 % BCa interval over images."""

    difference: float
    low: float
    high: float
    images: int


def compare_images(
    variant: Mapping[int, ImageMatrices], baseline: Mapping[int, ImageMatrices], resamples: int = RESAMPLES
) -> ImageInterval | None:
    """Difference of mIoU, mean over the seeds that both have, with the interval over images.

    Args:
        variant: seed -> matrices of the validation images.
        baseline: the same of what it is compared with.
        resamples: of the images.

    Returns:
        ``None`` without a common seed, or with fewer than three images.

    Raises:
        UserError: they were not evaluated on the same images.
    """
    seeds = sorted(variant.keys() & baseline.keys())
    if not seeds:
        return None
    images = variant[seeds[0]].images
    for seed in seeds:
        if variant[seed].images != images or baseline[seed].images != images:
            raise UserError(f'seed {seed}: the variants were not evaluated on the same images')
    if len(images) < 3:
        return None
    ours = [_counts(variant[seed].matrices) for seed in seeds]
    theirs = [_counts(baseline[seed].matrices) for seed in seeds]

    def difference(chosen: np.ndarray, axis: int = -1) -> np.ndarray:
        """Of the images of these numbers (…, n)."""
        pairs = zip(ours, theirs, strict=True)
        return np.mean([_miou(a, chosen) - _miou(b, chosen) for a, b in pairs], axis=0)

    everything = np.arange(len(images))
    whole = float(difference(everything))
    if not np.any([np.any(a != b) for a, b in zip(ours, theirs, strict=True)]):
        return ImageInterval(whole, whole, whole, len(images))
    interval = stats.bootstrap(
        (everything,),
        difference,
        n_resamples=resamples,
        batch=BATCH,
        vectorized=True,
        confidence_level=LEVEL,
        method='BCa',
        rng=np.random.default_rng(0),
    ).confidence_interval
    return ImageInterval(whole, float(interval.low), float(interval.high), len(images))


def image_miou(matrices: np.ndarray) -> np.ndarray:
    """mIoU in percent of each image by itself, over the classes in its truth.

    The mIoU of a data set sums pixels over all images first, so that large objects count for more.

    Args:
        matrices: (N, K, K) pixel counts, row = true class.

    Returns:
        (N,) float64; NaN for an image without a labelled pixel.
    """
    hits, unions, truth = _counts(matrices)
    with np.errstate(invalid='ignore'):
        iou = np.where(truth > 0, hits / unions, np.nan)
    present = (truth > 0).sum(axis=1)
    total = np.nansum(iou, axis=1)
    return np.divide(100 * total, present, out=np.full(len(matrices), np.nan), where=present > 0)


def _counts(matrices: np.ndarray) -> np.ndarray:
    """Of each image and class: hits, pixels of the union, pixels of the truth; (3, N, K)."""
    hits = np.diagonal(matrices, axis1=1, axis2=2)
    truth, predicted = matrices.sum(axis=2), matrices.sum(axis=1)
    return np.stack([hits, truth + predicted - hits, truth])


def _miou(counts: np.ndarray, chosen: np.ndarray) -> np.ndarray:
    """mIoU in percent of samples of images: (…, n) numbers -> (…), over the classes in the truth of each sample."""
    hits, unions, truth = counts[:, chosen].sum(axis=-2)
    there = truth > 0
    iou = np.divide(hits, unions, out=np.zeros(unions.shape), where=there)
    return 100 * iou.sum(axis=-1) / there.sum(axis=-1)
