"""How many of the pixels belong to each class, as bars."""

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure


def draw_class_shares(classes: Sequence[str], pixels: Mapping[str, np.ndarray]) -> np.ndarray:
    """Draw the share of each class in the pixels of each split, on a logarithmic axis.

    Args:
        classes: names of the classes.
        pixels: name of a split → (K,) pixels of each class; classes without a pixel have no bar.

    Returns:
        (H, W, 3) uint8, RGB.
    """
    figure = Figure(figsize=(9.0, 1.2 + 0.22 * len(classes)), layout='constrained', dpi=100)
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots()
    places, height = np.arange(len(classes)), 0.8 / max(1, len(pixels))
    for number, (split, counts) in enumerate(pixels.items()):
        shares = 100 * counts / max(1, counts.sum())
        axes.barh(
            places + (number - (len(pixels) - 1) / 2) * height, np.where(counts, shares, np.nan), height, label=split
        )
    axes.set_yticks(places, classes)
    axes.invert_yaxis()
    if any(counts.any() for counts in pixels.values()):
        axes.set_xscale('log')
    axes.set_xlabel('share of labelled pixels, %')
    axes.legend()
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()
