"""Weights over the positions of a picture, as heat on it, and curves of strip attention."""

import io
from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from PIL import Image

HEAT = 'inferno'
MOST_HEADS = 8
CELL = 2.2  # inches of a picture in a figure


def heat_over(image: np.ndarray, weights: np.ndarray, point: tuple[int, int] | None = None) -> np.ndarray:
    """Lay weights over a picture: dark where there are none, bright where they are largest.

    Args:
        image: (H, W, 3) uint8, RGB.
        weights: (h, w), at least 0, of any size; they are interpolated.
        point: (x, y) of a pixel to mark by a ring.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    height, width = image.shape[:2]
    scaled = weights / max(float(weights.max()), 1e-30)
    heat = np.asarray(Image.fromarray(scaled.astype(np.float32)).resize((width, height), Image.Resampling.BILINEAR))
    colours = 255 * colormaps[HEAT](heat)[..., :3]
    grey = image.mean(axis=2, keepdims=True)
    picture = (0.35 * grey + 0.65 * colours).clip(0, 255)
    if point is not None:
        rows, columns = np.mgrid[:height, :width]
        distance = np.hypot(columns - point[0], rows - point[1])
        radius = max(3.0, min(height, width) / 40)
        picture[np.abs(distance - radius) < max(1.0, radius / 4)] = (90, 255, 120)
    return picture.round().astype(np.uint8)


def draw_maps(
    image: np.ndarray,
    maps: Mapping[str, np.ndarray],
    titles: Mapping[str, Sequence[str]],
    point: tuple[int, int] | None,
) -> np.ndarray:
    """One row for each layer: the mean over its heads, then the heads, eight at most.

    Args:
        image: (H, W, 3) uint8, RGB.
        maps: name of the layer -> weights (h, H, W).
        titles: name of the layer -> a text for each head.
        point: (x, y) of the pixel that looks, ``None`` for none.

    Returns:
        (H', W', 3) uint8, RGB.
    """
    columns = 1 + max(min(len(weights), MOST_HEADS) for weights in maps.values())
    aspect = image.shape[0] / image.shape[1]
    figure = Figure(figsize=(CELL * columns, (CELL * aspect + 0.5) * len(maps)), dpi=110, layout='constrained')
    grid = figure.subplots(len(maps), columns, squeeze=False)
    for row, (name, weights) in zip(grid, maps.items(), strict=True):
        shown = [('mean of the heads', weights.mean(0)), *zip(titles[name], weights[:MOST_HEADS], strict=False)]
        for axes in row:
            axes.axis('off')
        for axes, (text, head) in zip(row, shown, strict=False):
            axes.imshow(heat_over(image, head, point))
            axes.set_title(text, fontsize=8)
        title = row[0].text(0, 1.18, name, transform=row[0].transAxes, fontsize=9, weight='bold')
        title.set_in_layout(False)  # it may reach over the pictures to its right
    return figure_array(figure)


def draw_lines(panels: Sequence[Sequence[tuple[str, Sequence[tuple]]]], xlabels: Sequence[str]) -> np.ndarray:
    """A grid of axes with lines, and a dot on each line that has a mark.

    Args:
        panels: rows of panels; a panel is a title and its lines (x, y, label, mark), where mark is an x or ``None``.
        xlabels: of the columns.
    """
    figure = Figure(figsize=(4.2 * len(xlabels), 2.6 * len(panels)), dpi=110, layout='constrained')
    grid = figure.subplots(len(panels), len(xlabels), squeeze=False)
    for row, panels_of_row in zip(grid, panels, strict=True):
        for axes, (title, lines), xlabel in zip(row, panels_of_row, xlabels, strict=True):
            _draw_panel(axes, title, lines)
            axes.set_xlabel(xlabel, fontsize=8)
    return figure_array(figure)


def figure_array(figure: Figure) -> np.ndarray:
    """The picture of a figure, (H, W, 3) uint8, RGB."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format='png')
    return np.asarray(Image.open(buffer).convert('RGB'))


def _draw_panel(axes: Axes, title: str, lines: Sequence[tuple]) -> None:
    for index, (x, y, label, mark) in enumerate(lines):
        axes.plot(x, y, color=f'C{index % 10}', label=label, linewidth=1.2)
        if mark is not None:
            axes.plot(mark, np.interp(mark, x, y), 'o', color=f'C{index % 10}', markeredgecolor='black', markersize=6)
    axes.set_title(title, fontsize=9)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.3)
    if 0 < len(lines) <= MOST_HEADS:
        axes.legend(fontsize=7)
