"""What a network says about one image, at the size at which it says it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from scaseg.ops.upsample_argmax import argmax_of_planes, classes_at_once

Size = tuple[int, int]
Box = tuple[int, int, int, int]  # top, bottom, left, right


class Window(NamedTuple):
    """Scores (1, K, h, w) of the rows ``top:bottom`` and columns ``left:right`` of the network's input."""

    scores: Tensor
    top: int
    bottom: int
    left: int
    right: int


@dataclass(frozen=True)
class ClassScores:
    """Scores of all classes for one image, from which planes at any size are made class by class.

    Attributes:
        windows: parts of the input that cover it; where they overlap, the mean counts.
        input_size: (H, W) of the network's input.
        padding: left, right, top, bottom border of the input that is no part of the image.
        flip: ``'horizontal'``, ``'vertical'``, or ``None`` where the input is not mirrored.
        align_corners: of the interpolation.
        twice: resize to the input's size first, from there to the size asked for, as mmseg does. Several windows and
            paddings always need that.
    """

    windows: Sequence[Window]
    input_size: Size
    padding: tuple[int, int, int, int] = (0, 0, 0, 0)
    flip: str | None = None
    align_corners: bool = False
    twice: bool = False

    @property
    def num_classes(self) -> int:
        return self.windows[0].scores.shape[1]

    @property
    def grid(self) -> Size:
        """(h, w), about the size at which the network gave the scores."""
        window = self.windows[0]
        left, right, top, bottom = self.padding
        height, width = self.input_size[0] - top - bottom, self.input_size[1] - left - right
        rows, columns = window.scores.shape[-2:]
        rows = round(height * rows / (window.bottom - window.top))
        columns = round(width * columns / (window.right - window.left))
        return max(rows, 1), max(columns, 1)

    def planes(self, size: Size, classes: slice = slice(None)) -> Tensor:
        """Scores (1, k, H, W) of a slice of the classes, resized to ``size`` = (H, W) and mirrored back."""
        if self._is_direct:
            scores = self._mirror(self.windows[0].scores[:, classes])
        else:
            scores = self._mirror(self._on_input(classes))
        return _resize(scores, size, self.align_corners)

    def resized(self, size: Size) -> Tensor:
        """Scores (1, K, H, W) of all classes at ``size``, with one plane at most at the input's size."""
        step = self._classes_at_once(size)
        starts = range(0, self.num_classes, step)
        return torch.cat([self.planes(size, slice(start, start + step)) for start in starts], dim=1)

    def labels(self, size: Size) -> Tensor:
        """The class of every pixel, (1, H, W) int64: the first one of those with the largest score."""
        return argmax_of_planes(
            lambda classes: self.planes(size, classes), self.num_classes, self._classes_at_once(size)
        )

    @property
    def _is_direct(self) -> bool:
        return len(self.windows) == 1 and not self.twice and not any(self.padding)

    def _classes_at_once(self, size: Size) -> int:
        sizes = [size]
        if not self._is_direct:
            sizes += [(window.bottom - window.top, window.right - window.left) for window in self.windows]
        return classes_at_once(self.windows[0].scores, sizes)

    def _mirror(self, scores: Tensor) -> Tensor:
        return scores.flip(3 if self.flip == 'horizontal' else 2) if self.flip else scores

    def _on_input(self, classes: slice) -> Tensor:
        """Scores (1, k, H, W) at the input's size without its padding."""
        if len(self.windows) == 1:
            scores = _resize(self.windows[0].scores[:, classes], self.input_size, self.align_corners)
        else:
            scores = self._mean_of_windows(classes)
        left, right, top, bottom = self.padding
        return scores[..., top : self.input_size[0] - bottom, left : self.input_size[1] - right]

    def _mean_of_windows(self, classes: slice) -> Tensor:
        part = self.windows[0].scores[:, classes]
        total = part.new_zeros(1, part.shape[1], *self.input_size, dtype=torch.float32)  # even in mixed precision
        count = total.new_zeros(self.input_size)
        for scores, top, bottom, left, right in self.windows:
            part = _resize(scores[:, classes], (bottom - top, right - left), self.align_corners)
            total[..., top:bottom, left:right] += part
            count[top:bottom, left:right] += 1
        return total.div_(count)


def _resize(scores: Tensor, size: Size, align_corners: bool) -> Tensor:
    if scores.shape[-2:] == size:
        return scores
    return F.interpolate(scores, size, mode='bilinear', align_corners=align_corners)
