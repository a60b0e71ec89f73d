"""Accuracy over cost, one line for each method."""

from collections.abc import Mapping, Sequence
from pathlib import Path

from matplotlib.figure import Figure

Point = tuple[float, float, str]  # GMACs, mIoU in percent, name


def draw_accuracy_cost(methods: Mapping[str, Sequence[Point]], title: str, path: Path) -> None:
    """Draw a PNG with the cost on a logarithmic axis.

    Args:
        methods: name -> points (GMACs, mIoU in percent, name of the encoder), joined in the order of their cost.
        title: what the figures are of, and whose they are.
        path: file to write.
    """
    figure = Figure(figsize=(8, 5), dpi=120, layout='constrained')
    axes = figure.subplots()
    for method, points in methods.items():
        costs, scores, names = zip(*sorted(points), strict=True)
        axes.plot(costs, scores, marker='o', label=method)
        for index, (cost, score, name) in enumerate(zip(costs, scores, names, strict=True)):
            # by turns below and above, so that neighbours of one method do not meet
            offset, side = ((4, -9), 'left') if index % 2 == 0 else ((-4, 4), 'right')
            axes.annotate(name, (cost, score), textcoords='offset points', xytext=offset, ha=side, fontsize=7)
    axes.set_xscale('log')
    axes.set_xlabel('GMACs, counted here')
    axes.set_ylabel('mIoU (%), published')
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={'Software': None})
