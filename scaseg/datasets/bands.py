"""Images of any number of bands and any depth: PNG, TIFF, NPY and whatever else OpenCV reads."""

import io
from collections.abc import Sequence

import cv2
import numpy as np
import tifffile

from .decoding import NPY_START, DecodingError, decode_npy

TIFF_STARTS = (b'II*\x00', b'MM\x00*', b'II+\x00', b'MM\x00+')


def decode_bands(content: bytes) -> np.ndarray:
    """Decode an image to all its bands, in the order of the file (red first), at full depth.

    Args:
        content: a TIFF, an array (H, W) or (H, W, bands) saved by ``np.save``, or an image that OpenCV reads.

    Returns:
        (H, W, bands), uint8, or float32 where the file holds anything else; integers up to 2^24 are exact.

    Raises:
        DecodingError: the bytes are damaged, hold no image or values that are not finite.
    """
    if content.startswith(NPY_START):
        image = decode_npy(content)
    elif content.startswith(TIFF_STARTS):
        image = _decode_tiff(content)
    else:
        image = _decode_by_opencv(content)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim != 3 or image.dtype.kind not in 'uif':
        raise DecodingError(f'it holds {image.dtype} of shape {image.shape}, expected numbers (height, width, bands)')
    if image.dtype != np.uint8:
        image = image.astype(np.float32)
        if not np.isfinite(image).all():
            raise DecodingError('some of its values are nan or infinite: write a number where nothing was measured')
    return np.ascontiguousarray(image)


def needs_bands(image: np.ndarray, suffix: str) -> bool:
    """Whether an image is more than three colours of 8 bits, which every pipeline reads; transparency is not."""
    has_alpha = image.shape[2] in (2, 4) and suffix.lower() in ('.png', '.webp')
    return image.dtype != np.uint8 or not (image.shape[2] in (1, 3) or has_alpha)


def sum_bands(image: np.ndarray) -> np.ndarray:
    """(bands, 3) float64: the number of pixels, their sum and their sum of squares, which add up over images."""
    sums = []
    for band in np.moveaxis(image, -1, 0):
        if band.dtype == np.uint8:
            counts, levels = np.bincount(band.ravel(), minlength=256), np.arange(256)
            sums.append((band.size, counts @ levels, counts @ levels**2))
        else:
            exact = band.astype(np.float64)
            sums.append((band.size, exact.sum(), (exact**2).sum()))
    return np.array(sums, np.float64)


def mean_and_std(sums: np.ndarray) -> tuple[list[float], list[float]]:
    """Mean and standard deviation of each band, from sums of ``sum_bands``."""
    count, total, squares = sums.T
    mean = total / count
    return mean.tolist(), np.sqrt(np.maximum(squares / count - mean**2, 0)).tolist()


def as_picture(image: np.ndarray, show: Sequence[int]) -> np.ndarray:
    """(H, W, 3) uint8, RGB: three bands, each stretched from its 2nd to its 98th percentile."""
    chosen = image[..., list(show)].astype(np.float32)
    low, high = np.percentile(chosen, (2, 98), axis=(0, 1))
    return np.clip(255 * (chosen - low) / np.maximum(high - low, 1e-9), 0, 255).astype(np.uint8)


def _decode_tiff(content: bytes) -> np.ndarray:
    """The first series of a TIFF, bands last, whether they lie beside each other, in planes or in pages."""
    try:
        with tifffile.TiffFile(io.BytesIO(content)) as file:
            series = file.series[0]
            image = series.asarray()
            return np.moveaxis(image, 0, -1) if series.axes[-2:] == 'YX' and image.ndim == 3 else image
    except Exception as error:  # tifffile raises what its codecs raise
        if 'imagecodecs' not in str(error):
            raise DecodingError(f'{type(error).__name__}: {error}') from error
        try:
            return _decode_by_opencv(content)  # knows some compressions for which tifffile needs a package
        except DecodingError:
            raise DecodingError(f'{error}: install imagecodecs, or save without compression') from error


def _decode_by_opencv(content: bytes) -> np.ndarray:
    image = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED) if content else None
    if image is None:
        raise DecodingError('damaged, or not an image')
    if image.ndim == 3 and image.shape[2] >= 3:
        image = np.concatenate([image[..., 2::-1], image[..., 3:]], axis=2)
    return image
