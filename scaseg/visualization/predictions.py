"""Predictions as pictures: laid over the image, and beside the truth with the errors marked."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.layout_engine import ConstrainedLayoutEngine
from matplotlib.patches import Patch

from scaseg.errors import UserError

from .legend import ignored_colour
from .picture_files import save_figure

IGNORE_INDEX = 255
WRONG_COLOUR = (255, 0, 150)
WIDTH = 9.0  # inches: with letters of 9 points or more, the picture can be read at 900 pixels
LEGEND_COLUMNS = 6

Palette = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Panel:
    """One image and what is to be shown about it.

    Attributes:
        image: (H, W, 3) uint8, RGB.
        truth: (H, W) class ids, 255 where a pixel does not count; None if there is no truth.
        prediction: (H, W) class ids.
        name: written under the image.
    """

    image: np.ndarray
    truth: np.ndarray | None
    prediction: np.ndarray
    name: str


def overlay(image_rgb: np.ndarray, labels: np.ndarray, palette: Palette, alpha: float = 0.5) -> np.ndarray:
    """Lays the classes' colours over an image.

    Args:
        image_rgb: (H, W, 3) uint8, RGB.
        labels: (H, W) class ids; where they are 255, the image stays as it is.
        palette: RGB colour 0..255 of each class.
        alpha: weight of the colours, 0 (the image) to 1 (the colours).

    Returns:
        (H, W, 3) uint8, RGB.

    Raises:
        UserError: a class id has no colour.
    """
    _check_ids(labels, palette, 'overlay')
    mixed = np.rint((1 - alpha) * image_rgb + alpha * _colourise(labels, palette)).astype(np.uint8)
    return np.where((labels == IGNORE_INDEX)[..., None], image_rgb, mixed)


def draw_predictions(samples: Sequence[Panel], classes: Sequence[str], palette: Palette, out: Path) -> None:
    """Draws one row per sample: image, ground truth, prediction, errors. Writes a PNG 1800 pixels wide.

    The errors are pink over the dimmed image, ignored pixels grey, or of another colour where a class is grey. Each
    row tells its pixel accuracy. Where any sample has no truth, the columns are image, prediction and the two
    overlaid. The legend names the classes that occur.

    Args:
        samples: at least one; the sizes of their images may differ.
        classes: name of each class.
        palette: RGB colour 0..255 of each class.
        out: PNG file to write; its folder is made.

    Raises:
        UserError: there is no sample, labels and image differ in size, or a class id has no name or colour.
    """
    _check_samples(samples, classes, palette)
    with_truth = all(sample.truth is not None for sample in samples)
    titles = ('image', 'ground truth', 'prediction', 'errors') if with_truth else ('image', 'prediction', 'overlay')
    handles = _legend_handles(samples, classes, palette, with_truth)
    aspects = [sample.image.shape[0] / sample.image.shape[1] for sample in samples]
    legend_rows = math.ceil(len(handles) / LEGEND_COLUMNS)
    height = sum(aspects) * WIDTH / len(titles) + 0.23 * (1 + len(samples) + legend_rows)
    layout = ConstrainedLayoutEngine(w_pad=0.02, h_pad=0.03, wspace=0, hspace=0)
    figure = Figure(figsize=(WIDTH, height), dpi=200, layout=layout)
    grid = figure.subplots(len(samples), len(titles), squeeze=False, height_ratios=aspects)
    for axes, title in zip(grid[0], titles, strict=True):
        axes.set_title(title, fontsize=11)
    for row, sample in zip(grid, samples, strict=True):
        _draw_row(row, sample, palette, with_truth)
    figure.legend(
        handles=handles, loc='outside lower center', ncols=LEGEND_COLUMNS, fontsize=9, frameon=False, handlelength=1.2
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, out)


def _check_samples(samples: Sequence[Panel], classes: Sequence[str], palette: Palette) -> None:
    if not samples:
        raise UserError('draw_predictions: there is no sample to draw.')
    if len(classes) != len(palette):
        raise UserError(
            f'draw_predictions: {len(classes)} class names, but {len(palette)} colours; give one for each.'
        )
    for sample in samples:
        for kind, labels in (('truth', sample.truth), ('prediction', sample.prediction)):
            if labels is None:
                continue
            if labels.shape != sample.image.shape[:2]:
                raise UserError(
                    f'{sample.name}: the {kind} is {labels.shape}, the image {sample.image.shape[:2]} (H, W); '
                    'bring them to the same size.'
                )
            _check_ids(labels, palette, f'{sample.name}, {kind}')


def _draw_row(row: Sequence[Axes], sample: Panel, palette: Palette, with_truth: bool) -> None:
    pictures = [sample.image, _colourise(sample.prediction, palette)]
    if sample.truth is not None and with_truth:
        ignored = sample.truth == IGNORE_INDEX
        wrong = (sample.prediction != sample.truth) & ~ignored
        pictures.insert(1, _colourise(sample.truth, palette))
        pictures.append(_error_picture(sample.image, wrong, ignored, ignored_colour(palette)))
        accuracy = f'{100 * (1 - wrong.sum() / (~ignored).sum()):.1f} %' if not ignored.all() else 'undefined'
        row[-1].set_xlabel(f'pixel accuracy {accuracy}', fontsize=9)
    else:
        pictures.append(overlay(sample.image, sample.prediction, palette))
    for axes, picture in zip(row, pictures, strict=True):
        axes.imshow(picture)
        axes.set(xticks=[], yticks=[])
        axes.spines[:].set_visible(False)
    row[0].set_xlabel(sample.name, fontsize=9)


def _error_picture(
    image: np.ndarray, wrong: np.ndarray, ignored: np.ndarray, colour_of_ignored: Sequence[int]
) -> np.ndarray:
    picture = (0.4 * image).astype(np.uint8)
    picture[ignored] = colour_of_ignored
    picture[wrong] = WRONG_COLOUR
    return picture


def _check_ids(labels: np.ndarray, palette: Palette, where: str) -> None:
    ids = labels[labels != IGNORE_INDEX]
    if ids.size and not 0 <= ids.min() <= ids.max() < len(palette):
        raise UserError(
            f'{where}: class ids from {ids.min()} to {ids.max()}, but the palette has {len(palette)} colours; give '
            'the classes and the palette of the data set that the labels belong to.'
        )


def _colourise(labels: np.ndarray, palette: Palette) -> np.ndarray:
    """(H, W) class ids to (H, W, 3) uint8; ignored pixels in a colour that no class has."""
    picture = np.full((*labels.shape, 3), ignored_colour(palette), dtype=np.uint8)
    known = labels != IGNORE_INDEX
    picture[known] = np.asarray(palette, dtype=np.uint8)[labels[known]]
    return picture


def _legend_handles(
    samples: Sequence[Panel], classes: Sequence[str], palette: Palette, with_truth: bool
) -> list[Patch]:
    """The classes that occur in any picture, then what the other two colours mean."""
    shown = [sample.prediction for sample in samples]
    if with_truth:
        shown += [sample.truth for sample in samples if sample.truth is not None]
    occurring = np.unique(np.concatenate([labels.ravel() for labels in shown]))
    entries = [(palette[index], classes[index]) for index in occurring if index != IGNORE_INDEX]
    if with_truth:
        entries.append((WRONG_COLOUR, 'wrong pixel'))
    if IGNORE_INDEX in occurring:
        entries.append((ignored_colour(palette), 'ignored pixel'))
    return [
        Patch(facecolor=tuple(channel / 255 for channel in colour), edgecolor='0.6', linewidth=0.5, label=name)
        for colour, name in entries
    ]
