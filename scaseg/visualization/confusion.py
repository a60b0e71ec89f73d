"""A confusion matrix as a picture."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure

from .picture_files import save_figure

MOST_NUMBERS = 30  # classes up to which every cell can hold its number


def draw_confusion(matrix: np.ndarray, classes: Sequence[str], out: Path) -> None:
    """Draw what the pixels of each true class are taken for, in percent of the class, and write it as PNG.

    Args:
        matrix: (K, K) pixel counts, row = true class, column = predicted class. Rows of classes that are not in the
            truth stay grey.
        classes: their names.
        out: file to write; its folder is made.
    """
    count = len(classes)
    truth = matrix.sum(axis=1, keepdims=True)
    shares = np.full(matrix.shape, np.nan)
    np.divide(100 * matrix, truth, out=shares, where=truth > 0)
    with_numbers = count <= MOST_NUMBERS
    size = max(4.0, 0.42 * count) if with_numbers else 0.13 * count
    figure = Figure(figsize=(size + 2.5, size + 1.5), dpi=100, layout='constrained')
    axes = figure.subplots()
    axes.set_facecolor('0.85')
    axes.imshow(shares, cmap='Blues', vmin=0, vmax=100)
    axes.set_xticks(range(count), classes, rotation=90, fontsize=9 if with_numbers else 6)
    axes.set_yticks(range(count), classes, fontsize=9 if with_numbers else 6)
    axes.set(xlabel='predicted', ylabel='truth', title='percent of the pixels of each true class')
    if with_numbers:
        for row, column in np.argwhere(shares >= 0.5):
            share = shares[row, column]
            colour = 'white' if share > 60 else 'black'
            axes.text(column, row, f'{share:.0f}', ha='center', va='center', fontsize=7, color=colour)
    out.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, out)
