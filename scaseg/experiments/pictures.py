"""The plots of a report."""

import math
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from .sentences import provenance_lines
from .statistics import t_interval
from .study import Row, Study
from .tables import class_interval


def draw_pictures(study: Study, rows: Sequence[Row], folder: Path) -> list[Path]:
    """Draw every plot that the results allow, as PNG.

    Args:
        study: the results.
        rows: of the main table.
        folder: that exists.
    """
    height = 1.2 + 0.35 * len(rows)
    drawings: list[tuple[str, tuple[float, float], Callable[[Axes], None]]] = [
        ('seeds.png', (8, height), lambda axes: _draw_seeds(axes, rows)),
        ('cost.png', (7, 4.5), lambda axes: _draw_cost(axes, rows)),
        ('curves.png', (8, 4.5), lambda axes: _draw_curves(axes, study)),
    ]
    if study.others:
        drawings.insert(1, ('differences.png', (8, height), lambda axes: _draw_differences(axes, study, rows)))
        classes = list(next(iter(study.results[study.baseline].values())).class_iou)
        if classes:
            tall = 1.5 + 0.12 * len(classes) * (1 + len(study.others))
            drawings.append(('classes.png', (8, tall), lambda axes: _draw_classes(axes, study, classes)))
    paths = []
    for name, size, draw in drawings:
        figure = Figure(figsize=size, dpi=120, layout='constrained')
        axes = figure.subplots()
        draw(axes)
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
        paths.append(folder / name)
        about = {'Software': None, 'Description': '; '.join(provenance_lines(study))}
        figure.savefig(paths[-1], metadata=about)
    return paths


def _draw_seeds(axes: Axes, rows: Sequence[Row]) -> None:
    """Every seed a dot, the mean and Student's interval of it under them."""
    for place, row in enumerate(rows):
        values = np.array(list(row.scores.values()))
        axes.scatter(values, np.full(len(values), place), s=22, alpha=0.7, color=f'C{place % 10}')
        low, high = t_interval(values)
        axes.plot([low, high], [place + 0.2, place + 0.2], color='0.3', linewidth=1.2)
        axes.plot(values.mean(), place + 0.2, marker='|', markersize=9, color='0.3')
    _name_places(axes, [row.variant for row in rows])
    axes.set_xlabel('mIoU (%), a dot for each seed; bar: mean with 95 % interval')


def _draw_differences(axes: Axes, study: Study, rows: Sequence[Row]) -> None:
    """Differences to the baseline: seeds as dots, one interval over seeds and one over images."""
    compared = [row for row in rows if row.comparison is not None]
    base = study.scores()[study.baseline]
    for place, row in enumerate(compared):
        assert row.comparison is not None
        pairs = [row.scores[seed] - base[seed] for seed in row.comparison.seeds]
        axes.scatter(pairs, np.full(len(pairs), place), s=18, alpha=0.6, color='C0')
        label = 'over seeds' if place == 0 else None
        axes.plot([row.comparison.low, row.comparison.high], [place + 0.15] * 2, color='C0', label=label)
        if row.images:
            label = 'over images' if place == 0 else None
            axes.plot([row.images.low, row.images.high], [place + 0.3] * 2, color='C1', label=label)
    axes.axvline(0, color='0.4', linewidth=0.8)
    _name_places(axes, [row.variant for row in compared])
    axes.set_xlabel(f'mIoU minus that of {study.baseline}, paired by seed; 95 % intervals')
    axes.legend()


def _draw_cost(axes: Axes, rows: Sequence[Row]) -> None:
    for place, row in enumerate(rows):
        spread = 0.0 if math.isnan(row.deviation) else row.deviation
        axes.errorbar(row.gmacs, row.mean, yerr=spread, marker='o', capsize=3, color=f'C{place % 10}')
        axes.annotate(row.variant, (row.gmacs, row.mean), textcoords='offset points', xytext=(6, 4), fontsize=8)
    axes.set_xlabel('GMACs of one image')
    axes.set_ylabel('mIoU (%), mean ± standard deviation over seeds')


def _draw_curves(axes: Axes, study: Study) -> None:
    """Mean over seeds, in a band from the least to the most."""
    for place, (variant, runs) in enumerate(study.results.items()):
        steps = sorted(set.intersection(*(set(map(int, result.curve)) for result in runs.values())))
        values = np.array([[result.curve[str(step)] for step in steps] for result in runs.values()])
        colour = f'C{place % 10}'
        axes.plot(steps, values.mean(axis=0), marker='o', markersize=3, color=colour, label=variant)
        axes.fill_between(steps, values.min(axis=0), values.max(axis=0), color=colour, alpha=0.15, linewidth=0)
    axes.set_xlabel('iteration')
    axes.set_ylabel('mIoU (%), mean and range over seeds')
    axes.legend(fontsize=8)


def _draw_classes(axes: Axes, study: Study, classes: Sequence[str]) -> None:
    """Differences of each class, with intervals over seeds."""
    others = study.others
    for place, variant in enumerate(others):
        rows = np.array([class_interval(study, variant, name) for name in classes])
        heights = np.arange(len(classes)) + 0.7 * (place + 0.5) / len(others) - 0.35
        colour = f'C{(place + 1) % 10}'
        axes.hlines(heights, rows[:, 1], rows[:, 2], color=colour, linewidth=1)
        axes.scatter(rows[:, 0], heights, s=14, color=colour, label=variant)
    axes.axvline(0, color='0.4', linewidth=0.8)
    _name_places(axes, classes)
    axes.set_xlabel(f'IoU minus that of {study.baseline}, with 95 % intervals over seeds (not corrected)')
    axes.legend(fontsize=8)


def _name_places(axes: Axes, names: Sequence[str]) -> None:
    axes.set_yticks(range(len(names)), names)
    axes.set_ylim(len(names) - 0.4, -0.6)
