"""The confusion matrix of each image of a data set, kept in a small file."""

import io
import zipfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import numpy as np
from mmengine.fileio import put
from torch import Tensor

from scaseg.errors import UserError


class ImageCounts(NamedTuple):
    """The cells of one image's confusion matrix that are not zero."""

    image: str
    """Path of the image, as the data set gives it."""
    cells: np.ndarray
    """(n,) int32, K · true class + predicted class, ascending."""
    pixels: np.ndarray
    """(n,) int32, pixel counts above 0."""


@dataclass(frozen=True)
class ImageMatrices:
    """Confusion matrices of all images of a data set, by the path of the image.

    Attributes:
        images: N paths in ascending order.
        classes: names of the K classes.
        matrices: (N, K, K) int64 pixel counts, row = true class, column = predicted class.
    """

    images: list[str]
    classes: list[str]
    matrices: np.ndarray


def image_counts(image: str, matrix: Tensor) -> ImageCounts:
    """What to keep of the confusion matrix (K, K) of an image."""
    flat = matrix.flatten().cpu().numpy()
    cells = np.flatnonzero(flat)
    return ImageCounts(image, cells.astype(np.int32), flat[cells].astype(np.int32))


def save_image_matrices(counts: Sequence[ImageCounts], classes: Sequence[str], path: Path) -> None:
    """Write a compressed file (npz), whole or not at all; the order of ``counts`` makes no difference."""
    counts = sorted(counts, key=lambda one: one.image)
    buffer = io.BytesIO()
    np.savez_compressed(
        buffer,
        images=np.array([one.image for one in counts]),
        classes=np.array(list(classes)),
        lengths=np.array([len(one.cells) for one in counts], np.int32),
        cells=np.concatenate([one.cells for one in counts]),
        pixels=np.concatenate([one.pixels for one in counts]),
    )
    put(buffer.getvalue(), str(path), backend_args=dict(backend='atomic'))


def load_image_matrices(path: Path) -> ImageMatrices:
    """Read what ``save_image_matrices`` wrote.

    Raises:
        UserError: the file is missing, damaged or another kind of file.
    """
    try:
        with np.load(path, allow_pickle=False) as file:
            content = {name: file[name] for name in ('images', 'classes', 'lengths', 'cells', 'pixels')}
    except (OSError, ValueError, KeyError, zipfile.BadZipFile) as error:
        raise UserError(f'{path}: not a file of confusion matrices of images ({error})') from None
    images, num_classes = len(content['images']), len(content['classes'])
    matrices = np.zeros((images, num_classes**2), np.int64)
    matrices[np.repeat(np.arange(images), content['lengths']), content['cells']] = content['pixels']
    shaped = matrices.reshape(images, num_classes, num_classes)
    return ImageMatrices(content['images'].tolist(), content['classes'].tolist(), shaped)
