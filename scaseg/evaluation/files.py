"""What an evaluation leaves behind: label maps for the benchmark servers, and the confusion matrix.

A file that we did not write is never replaced; one of an earlier evaluation is.
"""

import csv
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image
from torch import Tensor

from scaseg.errors import UserError, folder_problem
from scaseg.visualization import save_picture


def make_folder(folder: str | Path | None, key: str) -> Path | None:
    """Make a folder when it is named, not when the first file is to go there.

    Args:
        folder: to make, with its parents; ``None`` makes none.
        key: what names it, for the error.

    Returns:
        The folder.

    Raises:
        UserError: it cannot be made or written.
    """
    if folder is None:
        return None
    if problem := folder_problem(Path(folder)):
        raise UserError(f'{key}: the folder {folder} cannot be made ({problem})')
    Path(folder).mkdir(parents=True, exist_ok=True)
    return Path(folder)


def save_labels(
    prediction: Tensor,
    sample: dict,
    path: Path,
    class_names: Sequence[str],
    label_ids: Sequence[int] | None = None,
    palette: Sequence[Sequence[int]] | None = None,
) -> None:
    """Save a prediction as PNG label map.

    Args:
        prediction: class ids (H, W).
        sample: of the image, with its ``img_path`` and, where labels were shifted by it, ``reduce_zero_label``.
        path: of the PNG; its folder is made.
        class_names: of all classes.
        label_ids: id in the file of each class, 0..255; ``None`` takes the class ids, plus 1 with
            ``reduce_zero_label``.
        palette: RGB colour of each class for an indexed PNG; ``None`` writes a grey one.

    Raises:
        UserError: ``label_ids`` has not one id for each class, there are more ids than a PNG of eight bits holds, or
            a file that we did not write lies there.
    """
    if label_ids is None:
        first = int(bool(sample.get('reduce_zero_label', False)))
        label_ids = range(first, first + len(class_names))
    elif len(label_ids) != len(class_names):
        raise UserError(f'label_ids of ConfusionMetric: {len(label_ids)} ids for {len(class_names)} classes')
    if max(label_ids) > 255:
        raise UserError(f'label_ids of ConfusionMetric: a PNG label map holds ids up to 255, not {max(label_ids)}')
    picture = Image.fromarray(np.asarray(label_ids, dtype=np.uint8)[prediction.cpu().numpy()])
    if palette is not None:
        colours = np.zeros((256, 3), dtype=np.uint8)
        colours[list(label_ids)] = palette
        picture.putpalette(colours.tobytes())
    save_picture(picture, path)


def save_matrix(matrix: Tensor, class_names: Sequence[str], path: Path) -> None:
    """Write a confusion matrix (K, K) of pixel counts as CSV: rows are true classes, columns predicted ones."""
    check_matrix_replaceable(path)
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['truth', *class_names])
        writer.writerows([name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True))


def check_matrix_replaceable(path: Path) -> None:
    """Check that a file may hold a confusion matrix: it is not there yet, or holds one.

    Raises:
        UserError: something else lies there.
    """
    if path.is_file():
        with path.open('rb') as file:
            is_ours = file.read(6) == b'truth,'
        if not is_ours:
            raise UserError(f'{path} exists and was not written by scaseg: it is kept; name another folder')


def image_roots(dataset: Any) -> list[Path]:
    """Folders that the images of a data set lie in, of all parts of a data set that wraps others."""
    if hasattr(dataset, 'datasets'):
        return [root for part in dataset.datasets for root in image_roots(part)]
    if hasattr(dataset, 'dataset'):
        return image_roots(dataset.dataset)
    folder = (getattr(dataset, 'data_prefix', None) or {}).get('img_path')
    return [Path(folder)] if folder else []


def output_name(image: str | Path, roots: Sequence[Path]) -> Path:
    """Name of what is written for an image: its own with its sub-folders below the data set's, as PNG."""
    image = Path(image)
    below = next((image.relative_to(root) for root in roots if image.is_relative_to(root)), Path(image.name))
    return below.with_suffix('.png')
