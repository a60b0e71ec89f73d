"""Pixels of each class in each label file of a data set."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from scaseg.errors import UserError

from .label_code import IGNORED
from .transforms import LoadLabels


def count_labels(dataset: Any) -> np.ndarray:
    """Read all label files of a data set.

    Args:
        dataset: a data set of mmseg, in wrappers or not, whose labels are files.

    Returns:
        (N, K) int64, pixels of each class in each sample.

    Raises:
        UserError: the data set has no label files, or one cannot be read or holds an id of no class.
    """
    classes = len(dataset.metainfo['classes'])
    load = LoadLabels()

    def count(index: int) -> np.ndarray:
        info = dataset.get_data_info(index)
        path = info.get('seg_map_path')
        if path is None or not Path(path).is_file():
            raise UserError(f'{path or info.get("img_path")}: classes are counted in label files, and this is not one')
        labels = load(dict(info, seg_fields=[]))['gt_seg_map']
        counts = np.bincount(labels[labels != IGNORED].ravel(), minlength=classes)
        if len(counts) > classes:
            raise UserError(f'{path}: id {len(counts) - 1} lies outside 0..{classes - 1}')
        return counts

    with ThreadPoolExecutor() as pool:
        return np.stack(list(pool.map(count, range(len(dataset)))))
