"""What a network says about one picture, and the pictures of it."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np
from matplotlib import colormaps, pyplot
from PIL import Image

from scaseg.errors import UserError

from .legend import add_legend, area_entries
from .picture_files import save_picture
from .predictions import overlay

CONFIDENCE_COLOURS = 'viridis'


@dataclass(frozen=True, eq=False)
class Result:
    """Labels of one picture, with all that is needed to show them.

    Attributes:
        image: (H, W, 3) uint8, RGB, as it was read: upright, without its alpha channel.
        labels: (H, W) unsigned integers, an index into ``classes`` for each pixel of the image.
        classes: names of all classes that the network knows.
        palette: RGB colour 0..255 of each class.
        confidence: (H, W) float32, the probability of the label, 0..1; ``None`` where it was not asked for.
        name: of the files that ``save`` writes, without a suffix; may hold sub-folders.
        source: the file that the picture was read from, ``None`` for one from memory.
    """

    image: np.ndarray
    labels: np.ndarray
    classes: tuple[str, ...]
    palette: Sequence[Sequence[int]]
    confidence: np.ndarray | None = None
    name: str = 'image'
    source: Path | None = None

    @cached_property
    def pixels(self) -> dict[str, int]:
        """Number of pixels of each class that occurs, the largest first."""
        counts = np.bincount(self.labels.ravel(), minlength=len(self.classes))
        order = np.argsort(-counts, kind='stable')
        return {self.classes[index]: int(counts[index]) for index in order if counts[index]}

    @property
    def areas(self) -> dict[str, float]:
        """Percent of the pixels of each class that occurs, the largest first; they add up to 100."""
        return {name: 100 * count / self.labels.size for name, count in self.pixels.items()}

    def overlay(self, opacity: float = 0.5) -> np.ndarray:
        """The image under the colours of its classes, with a legend: (H', W', 3) uint8, RGB."""
        return add_legend(overlay(self.image, self.labels, self.palette, opacity), self._legend())

    def side_by_side(self) -> np.ndarray:
        """Image and overlay beside each other, with a legend."""
        mixed = overlay(self.image, self.labels, self.palette)
        axis = 1 if self.image.shape[0] >= 0.6 * self.image.shape[1] else 0  # wide ones stand above each other
        return add_legend(np.concatenate([self.image, mixed], axis=axis), self._legend())

    def contours(self) -> np.ndarray:
        """The image with the border of each region in the colour of its class, with a legend."""
        picture = np.ascontiguousarray(self.image)
        width = max(1, round(min(self.labels.shape) / 200))
        for index in np.unique(self.labels).tolist():
            mask = (self.labels == index).astype(np.uint8)
            lines, _ = cv2.findContours(mask, cv2.RETR_LIST, cv2.CHAIN_APPROX_NONE)
            cv2.drawContours(picture, lines, -1, [int(value) for value in self.palette[index]], width)
        return add_legend(picture, self._legend())

    def confidence_picture(self) -> np.ndarray:
        """How probable each label is, dark for unsure and bright for sure.

        Raises:
            UserError: the confidence was not asked for.
        """
        if self.confidence is None:
            raise UserError(f'{self.name}: no confidence was computed; call predict with confidence=True')
        colours = colormaps[CONFIDENCE_COLOURS]
        picture = (255 * colours(self.confidence)[..., :3]).round().astype(np.uint8)
        steps = [
            ([round(255 * c) for c in colours(level)[:3]], f'{level:.1f}') for level in (0.0, 0.25, 0.5, 0.75, 1.0)
        ]
        return add_legend(picture, steps)

    def label_map(self) -> Image.Image:
        """The labels as a palette picture of exactly the image's size; with more than 256 classes, 16 bits of grey."""
        if len(self.classes) > 256:
            return Image.fromarray(self.labels.astype(np.uint16))
        picture = Image.fromarray(self.labels.astype(np.uint8))
        picture.putpalette(np.asarray(self.palette, dtype=np.uint8).tobytes())
        return picture

    def save(self, folder: str | Path, pictures: Sequence[str] = ('overlay', 'labels')) -> list[Path]:
        """Write pictures as ``folder/KIND/NAME.png``.

        A file that an earlier prediction wrote is replaced, any other one is not.

        Args:
            folder: made if it is not there.
            pictures: some of ``PICTURES``.

        Returns:
            The files, in the order of ``pictures``.

        Raises:
            UserError: a kind of picture is unknown, or a file lies in the way.
        """
        paths = picture_paths(folder, self.name, pictures)
        for kind, path in zip(pictures, paths, strict=True):
            save_picture(PICTURES[kind](self), path)
        return paths

    def show(self) -> None:
        """Show the overlay in a window, or below the cell of a notebook."""
        picture = self.overlay()
        height, width = picture.shape[:2]
        figure = pyplot.figure(figsize=(10, 10 * height / width), layout='tight')
        axes = figure.subplots()
        axes.imshow(picture)
        axes.axis('off')
        pyplot.show()

    def __repr__(self) -> str:
        shares = ', '.join(f'{name} {share:.1f} %' for name, share in list(self.areas.items())[:4])
        return f'{type(self).__name__}({self.name}: {self.labels.shape[0]} x {self.labels.shape[1]}, {shares})'

    def _legend(self) -> list:
        return area_entries(self.labels, self.classes, self.palette)


PICTURES: dict[str, Callable[[Result], np.ndarray | Image.Image]] = {
    'overlay': Result.overlay,
    'labels': Result.label_map,
    'side-by-side': Result.side_by_side,
    'contours': Result.contours,
    'confidence': Result.confidence_picture,
}


def picture_paths(folder: str | Path, name: str, pictures: Sequence[str]) -> list[Path]:
    """Where ``Result.save`` writes.

    Raises:
        UserError: a kind of picture is unknown.
    """
    for kind in pictures:
        if kind not in PICTURES:
            raise UserError(f'pictures: {kind!r} is unknown; choose from {", ".join(PICTURES)}')
    return [Path(folder) / kind / f'{name}.png' for kind in pictures]
