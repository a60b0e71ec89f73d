"""How the values in label files become class ids: ids of any depth, or exact RGB colours; several to a class."""

from collections.abc import Iterable, Mapping

import numpy as np

from scaseg.errors import UserError

from .decoding import LabelFile

IGNORED = 255
UNKNOWN = 256
TABLE_SIZE = 1 << 16  # values below it are looked up, above it they are searched for
SHOWN = 8


class LabelCode:
    """The values of a data set's label files and the class of each.

    Args:
        classes: value → class 0..254, or 255 for pixels that belong to none. A value is an id, or a colour packed
            into 24 bits, 0xRRGGBB.
        colours: whether the values are colours; an indexed file gives the colours of its palette then.
    """

    def __init__(self, classes: Mapping[int, int], colours: bool) -> None:
        self.colours = colours
        self._values = np.array(sorted(classes), np.int64)
        self._classes = np.array([classes[value] for value in self._values.tolist()], np.uint16)
        self._table = np.full(TABLE_SIZE, UNKNOWN, np.uint16)
        small = self._values < TABLE_SIZE
        self._table[self._values[small]] = self._classes[small]

    def encode(self, file: LabelFile, path: str) -> np.ndarray:
        """Class ids, (H, W) uint8, of a decoded label file.

        Raises:
            UserError: the file holds values that no class has, or colours where ids are expected.
        """
        values = self.values(file, path)
        ids = self.look_up(values)
        if ids.size and ids.max() == UNKNOWN:
            found, counts = np.unique(values[ids == UNKNOWN], return_counts=True)
            listed = describe_values(zip(found.tolist(), counts.tolist(), strict=True), self.colours)
            raise UserError(f'{path}: {listed} belong to no class: add them to a class or to ignore in dataset.yaml')
        return ids.astype(np.uint8)

    def look_up(self, values: np.ndarray) -> np.ndarray:
        """Class ids of values, of their shape, uint16; ``UNKNOWN`` for values of no class."""
        largest, least = (int(values.max()), int(values.min())) if values.size else (0, 0)
        if least >= 0 and largest < TABLE_SIZE:
            return self._table[values]
        places = np.searchsorted(self._values, values).clip(max=len(self._values) - 1)
        return np.where(self._values[places] == values, self._classes[places], UNKNOWN).astype(np.uint16)

    def values(self, file: LabelFile, path: str) -> np.ndarray:
        """(H, W) integers: the ids of a file, or its colours, packed.

        Raises:
            UserError: ids are expected, and the file is a colour picture.
        """
        if self.colours:
            return pack_colours(file)
        if file.values.ndim == 3:
            raise UserError(f'{path}: a colour picture, but dataset.yaml says labels: ids; should it say colours?')
        return file.values


def relabel(labels: np.ndarray, reduce_zero_label: bool, label_map: dict[int, int] | None) -> np.ndarray:
    """What mmseg does with ``reduce_zero_label`` and a selection of classes, for ids of any depth."""
    if reduce_zero_label:
        labels = np.where((labels == 0) | (labels == IGNORED), IGNORED, labels.astype(np.int64) - 1)
    if label_map is not None and labels.size and labels.min() >= 0:  # CheckLabels refuses the others
        table = np.arange(max(int(labels.max()), *label_map) + 1)
        table[list(label_map)] = list(label_map.values())
        labels = table[labels]
    return labels


def count_values(values: np.ndarray) -> dict[int, int]:
    """Each value in an array of integers, and how often it occurs."""
    if values.dtype == np.uint8:
        counts = np.bincount(values.ravel(), minlength=256)
        return {int(value): int(counts[value]) for value in np.flatnonzero(counts)}
    found, numbers = np.unique(values, return_counts=True)
    return dict(zip(found.tolist(), numbers.tolist(), strict=True))


def pack_colours(file: LabelFile) -> np.ndarray:
    """(H, W) int32, 0xRRGGBB, the colours that a viewer shows; transparency is not looked at."""
    values = file.values if file.palette is None else file.palette[file.values]
    if values.ndim == 2:
        values = np.repeat(values[..., None], 3, axis=2)
    red, green, blue = (values[..., channel].astype(np.int32) for channel in range(3))
    return (red << 16) | (green << 8) | blue


def unpack_colour(value: int) -> tuple[int, int, int]:
    """Red, green and blue of a packed colour."""
    return value >> 16, value >> 8 & 255, value & 255


def describe_values(counted: Iterable[tuple[int, int]], colours: bool) -> str:
    """Values and their pixels, the most frequent first, in words."""
    ranked = sorted(counted, key=lambda pair: -pair[1])
    shown = [f'{unpack_colour(value) if colours else value} ({count} pixels)' for value, count in ranked[:SHOWN]]
    more = f' and {len(ranked) - SHOWN} more' if len(ranked) > SHOWN else ''
    return f'{"colours" if colours else "ids"} {", ".join(shown)}{more}'
