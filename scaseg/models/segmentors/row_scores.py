"""What a head of mask classification says about one image: scores of all classes, a band of rows at a time.

Every class takes all masks, so their map cannot be made class by class as that of ``ClassScores``. It can be made row
by row: the masks are resized to the rows of a band, become probabilities, are weighed, added up, and forgotten.
"""

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from scaseg.ops.row_bands import resize_band, row_band, rows_at_once

from ..layers import MaskPrediction
from .class_scores import Size


class RowScores(ABC):
    """A map of scores whose rows are computed when they are asked for.

    Args:
        num_classes: K.
        size: (H, W) of the map.
        device: where it is computed.
        align_corners: of the interpolation that resizes it.
    """

    def __init__(self, num_classes: int, size: Size, device: torch.device, align_corners: bool) -> None:
        self.num_classes = num_classes
        self.size = size
        self.device = device
        self.align_corners = align_corners

    @property
    def grid(self) -> Size:
        """(H, W), the size at which the scores are made."""
        return self.size

    @property
    def row_cost(self) -> int:
        """Elements of the largest map that one more row asks for."""
        return self.num_classes * self.size[1]

    @abstractmethod
    def rows(self, which: slice) -> Tensor:
        """Scores (1, K, n, W) of n rows, float32."""

    def at(self, size: Size) -> 'RowScores':
        """The same scores, resized from where they are to (H, W)."""
        return self if size == self.size else ResizedScores(self, size)

    def labels(self, size: Size) -> Tensor:
        """The class of every pixel, (1, H, W) int64: the first one of those with the largest score."""
        labels = torch.empty(1, *size, dtype=torch.int64, device=self.device)
        for rows, scores in self.at(size).bands():
            labels[:, rows] = scores.max(dim=1).indices  # on a CPU twice as fast as argmax
        return labels

    def resized(self, size: Size) -> Tensor:
        """Scores (1, K, H, W) of all classes, float32."""
        full = torch.empty(1, self.num_classes, *size, device=self.device)
        for rows, scores in self.at(size).bands():
            full[:, :, rows] = scores
        return full

    def bands(self) -> Iterator[tuple[slice, Tensor]]:
        """All rows, a band at a time: which ones, and their scores (1, K, n, W)."""
        height, step = self.size[0], rows_at_once(self.row_cost, self.device)
        for first in range(0, height, step):
            which = slice(first, min(first + step, height))
            yield which, self.rows(which)


class MaskWindow(NamedTuple):
    """Classes and masks of one image, for the rows ``top:bottom`` and columns ``left:right`` of the input."""

    prediction: MaskPrediction
    top: int
    bottom: int
    left: int
    right: int


class MaskScores(RowScores):
    """The map that masks make at the size of the network's input, as in the official code of SegViT.

    Args:
        windows: parts of the input that cover it; where they overlap, the mean counts.
        input_size: (H, W) of the network's input.
        padding: left, right, top, bottom border of the input that is no part of the image, nor of the map.
        flip: ``'horizontal'``, ``'vertical'``, or ``None`` where the input is not mirrored; the map never is.
        align_corners: of the interpolation.
    """

    def __init__(
        self,
        windows: Sequence[MaskWindow],
        input_size: Size,
        padding: tuple[int, int, int, int] = (0, 0, 0, 0),
        flip: str | None = None,
        align_corners: bool = False,
    ) -> None:
        classes, masks = windows[0].prediction
        left, right, top, bottom = padding
        size = input_size[0] - top - bottom, input_size[1] - left - right
        super().__init__(classes.shape[-1] - 1, size, masks.device, align_corners)
        if flip:
            windows = [_mirrored(window, input_size, flip) for window in windows]
        self.windows = windows
        self.input_width = input_size[1]
        self.top = bottom if flip == 'vertical' else top
        self.left = right if flip == 'horizontal' else left

    @property
    def row_cost(self) -> int:
        return self.num_classes * self.input_width

    def rows(self, which: slice) -> Tensor:
        first, last = which.start + self.top, which.stop + self.top
        total = torch.zeros(1, self.num_classes, last - first, self.input_width, device=self.device)
        count = total.new_zeros(last - first, self.input_width)
        for window in self.windows:
            start, stop = max(first, window.top), min(last, window.bottom)
            if start < stop:
                here = (slice(start - first, stop - first), slice(window.left, window.right))
                total[:, :, *here] += self._rows_of_window(window, slice(start - window.top, stop - window.top))
                count[here] += 1
        return total.div_(count)[..., self.left : self.left + self.size[1]]

    def _rows_of_window(self, window: MaskWindow, which: slice) -> Tensor:
        classes, masks = window.prediction
        band = row_band(masks.shape[-2], window.bottom - window.top, which, self.device, self.align_corners)
        masks = resize_band(masks[:, :, band.source].float(), band, window.right - window.left, self.align_corners)
        return MaskPrediction(classes, masks).fuse()


class ResizedScores(RowScores):
    """A map at another size."""

    def __init__(self, source: RowScores, size: Size) -> None:
        super().__init__(source.num_classes, size, source.device, source.align_corners)
        self.source = source

    @property
    def row_cost(self) -> int:
        return max(super().row_cost, self.source.row_cost * math.ceil(self.source.size[0] / self.size[0]))

    def rows(self, which: slice) -> Tensor:
        band = row_band(self.source.size[0], self.size[0], which, self.device, self.align_corners)
        return resize_band(self.source.rows(band.source), band, self.size[1], self.align_corners)


class MeanScores(RowScores):
    """The mean of maps of one size."""

    def __init__(self, maps: Sequence[RowScores]) -> None:
        first = maps[0]
        super().__init__(first.num_classes, first.size, first.device, first.align_corners)
        self.maps = maps

    @property
    def row_cost(self) -> int:
        return max(scores.row_cost for scores in self.maps)

    def rows(self, which: slice) -> Tensor:
        total = self.maps[0].rows(which)
        for scores in self.maps[1:]:
            total += scores.rows(which)
        return total.div_(len(self.maps))


def _mirrored(window: MaskWindow, input_size: Size, flip: str) -> MaskWindow:
    (classes, masks), top, bottom, left, right = window
    height, width = input_size
    if flip == 'horizontal':
        return MaskWindow(MaskPrediction(classes, masks.flip(3)), top, bottom, width - right, width - left)
    return MaskWindow(MaskPrediction(classes, masks.flip(2)), height - bottom, height - top, left, right)
