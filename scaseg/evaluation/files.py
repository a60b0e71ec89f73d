"""What an evaluation leaves behind: label maps for the benchmark servers, and the confusion matrix."""

import csv
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from scaseg.errors import UserError, folder_problem


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
    folder: Path,
    class_names: Sequence[str],
    label_ids: Sequence[int] | None = None,
    palette: Sequence[Sequence[int]] | None = None,
) -> Path:
    """Save a prediction as PNG label map named as its image.

    Args:
        prediction: class ids (H, W).
        sample: of the image, with its ``img_path`` and, where labels were shifted by it, ``reduce_zero_label``.
        folder: that exists.
        class_names: of all classes.
        label_ids: id in the file of each class, 0..255; ``None`` takes the class ids, plus 1 with
            ``reduce_zero_label``.
        palette: RGB colour of each class for an indexed PNG; ``None`` writes a grey one.

    Returns:
        The file.

    Raises:
        UserError: ``label_ids`` has not one id for each class, or there are more ids than a PNG of eight bits holds.
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
    path = folder / f'{Path(sample["img_path"]).stem}.png'
    picture.save(path)
    return path


def save_matrix(matrix: Tensor, class_names: Sequence[str], path: Path) -> None:
    """Write a confusion matrix (K, K) of pixel counts as CSV: rows are true classes, columns predicted ones."""
    with path.open('w', newline='', encoding='utf-8') as file:
        writer = csv.writer(file)
        writer.writerow(['truth', *class_names])
        writer.writerows([name, *row] for name, row in zip(class_names, matrix.tolist(), strict=True))
