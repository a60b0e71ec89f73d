"""Loss, learning rate and mIoU of one or several trainings, from the logs in their work directories."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from scaseg.errors import UserError

from .picture_files import save_figure


@dataclass(frozen=True)
class Curve:
    """A value over the course of a training.

    Attributes:
        steps: (N,) int, iterations in ascending order, counted from 1.
        values: (N,) float.
    """

    steps: np.ndarray
    values: np.ndarray


@dataclass(frozen=True)
class Scalars:
    """All that was logged, by name as in the log file: ``loss``, ``base_lr``, ... and ``mIoU`` (in percent), ...

    Attributes:
        train: logged every few iterations of training.
        val: logged after each validation.
    """

    train: dict[str, Curve]
    val: dict[str, Curve]


def read_scalars(work_dir: Path) -> Scalars:
    """Reads the logs of all runs in a work directory as one training.

    A resumed run continues the one before it; where two runs logged the same iteration, the later one counts. A run
    that begins where the first one began is a fresh start: what was logged before it is dropped. The last line of a
    run that was killed may be half written: it is left out. So is a validation without training, which belongs to no
    iteration.

    Args:
        work_dir: holds ``<time>/vis_data/scalars.json`` for each run.

    Raises:
        UserError: there is no log with anything in it, or a line of a log is broken.
    """
    train: dict[str, dict[int, float]] = {}
    val: dict[str, dict[int, float]] = {}
    for path in sorted(work_dir.glob('*/vis_data/scalars.json')):  # the folders are named by the time of the start
        entries = _read_entries(path)
        first = min((entry['step'] for entry in entries if 'iter' in entry), default=None)
        if first is not None and first <= min(train.get('loss', {first: 0.0})):
            train.clear()
            val.clear()
        for entry in entries:
            # Only an entry of training tells the iteration twice, as 'iter' and as 'step'.
            kind = train if 'iter' in entry else val
            for name, value in entry.items():
                if entry['step'] > 0 and name not in ('iter', 'step') and isinstance(value, int | float):
                    kind.setdefault(name, {})[entry['step']] = value
    if not train and not val:
        raise UserError(
            f'{work_dir}: no training log found (*/vis_data/scalars.json). Give the work directory of a training, '
            'as in work_dirs/<config name>.'
        )
    return Scalars(_to_curves(train), _to_curves(val))


def plot_curves(work_dirs: Sequence[Path], out: Path, labels: Sequence[str] | None = None) -> None:
    """Draws loss, learning rate and validation mIoU against the iteration, side by side, as one PNG.

    The loss is drawn twice: faint as logged, strong as smoothed.

    Args:
        work_dirs: one curve per panel for each of them.
        out: PNG file to write; its folder is made.
        labels: names of the work directories in the legend; by default, the names of the folders. Those of one name
            are runs of one kind: they share a colour and a line in the legend, with mean and standard deviation.

    Raises:
        UserError: a work directory holds no log, or there are not as many labels as work directories.
    """
    labels = [work_dir.resolve().name for work_dir in work_dirs] if labels is None else labels
    if len(labels) != len(work_dirs):
        raise UserError(f'--labels: {len(labels)} given for {len(work_dirs)} work directories; give one for each.')
    figure = Figure(figsize=(10, 3.5), dpi=180, layout='constrained')
    loss_axes, rate_axes, score_axes = figure.subplots(1, 3, sharex=True)
    kinds = list(dict.fromkeys(labels))
    scores: dict[str, list[float]] = {kind: [] for kind in kinds}
    for work_dir, label in zip(work_dirs, labels, strict=True):
        scalars, colour = read_scalars(work_dir), f'C{kinds.index(label)}'
        _draw_loss(loss_axes, scalars.train.get('loss'), colour)
        # The optimiser's own rate, if it has one: 'lr' is the first group's, which may be scaled.
        _draw_line(rate_axes, scalars.train.get('base_lr', scalars.train.get('lr')), colour)
        _draw_line(score_axes, scalars.val.get('mIoU'), colour, marker='o', markersize=4)
        if 'mIoU' in scalars.val:
            scores[label].append(scalars.val['mIoU'].values[-1])
    for axes, title in (
        (loss_axes, 'training loss'),
        (rate_axes, 'learning rate'),
        (score_axes, 'validation mIoU (%)'),
    ):
        axes.set_title(title)
        axes.set_xlabel('iteration')
        axes.grid(alpha=0.3)
        axes.spines[['top', 'right']].set_visible(False)
    rate_axes.ticklabel_format(axis='y', style='sci', scilimits=(0, 0))
    handles = [
        Line2D([], [], color=f'C{index}', label=_summary(kind, scores[kind])) for index, kind in enumerate(kinds)
    ]
    figure.legend(handles=handles, loc='outside lower center', ncols=min(3, len(kinds)))
    out.parent.mkdir(parents=True, exist_ok=True)
    save_figure(figure, out)


def _read_entries(path: Path) -> list[dict]:
    lines = path.read_text().splitlines()
    entries = []
    for number, line in enumerate(lines, start=1):
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError as error:
            if number < len(lines):
                raise UserError(f'{path}: line {number} is not JSON ({error}); remove the line.') from error
    return entries


def _to_curves(points: dict[str, dict[int, float]]) -> dict[str, Curve]:
    return {
        name: Curve(np.array(sorted(by_step)), np.array([by_step[step] for step in sorted(by_step)], dtype=float))
        for name, by_step in points.items()
    }


def _draw_line(axes: Axes, curve: Curve | None, colour: str, **style: Any) -> None:
    if curve is not None:
        axes.plot(curve.steps, curve.values, color=colour, **style)


def _draw_loss(axes: Axes, curve: Curve | None, colour: str) -> None:
    if curve is not None:
        axes.plot(curve.steps, curve.values, color=colour, alpha=0.25, linewidth=1)
        axes.plot(curve.steps, _smooth(curve.values), color=colour)


def _summary(kind: str, scores: Sequence[float]) -> str:
    """Last mIoU of the runs of one kind, for the legend."""
    if not scores:
        return f'{kind}: no validation yet'
    if len(scores) == 1:
        return f'{kind}: mIoU {scores[0]:.2f}'
    return f'{kind}: mIoU {np.mean(scores):.2f} ± {np.std(scores, ddof=1):.2f} ({len(scores)} runs)'


def _smooth(values: np.ndarray) -> np.ndarray:
    """Mean over a twentieth of the curve around each point; near the ends, over what there is."""
    window = np.ones(max(1, len(values) // 20))
    return np.convolve(values, window, 'same') / np.convolve(np.ones_like(values), window, 'same')
