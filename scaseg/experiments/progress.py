"""How far the runs of a sweep have come, as a table that a terminal shows while they run."""

import json
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .runs import Run, State

LAST_BYTES = 20_000  # of a log: enough for the last validation of a data set of 150 classes


@dataclass(frozen=True)
class Progress:
    """What the log of a run says last.

    Attributes:
        iteration: iterations done.
        seconds_left: at the pace of the last ones; ``None`` before the first.
        score: mIoU of the last validation in percent, ``None`` before the first.
    """

    iteration: int = 0
    seconds_left: float | None = None
    score: float | None = None


def read_progress(run: Run) -> Progress:
    """Progress of a run, from the end of its youngest log."""
    logs = sorted(run.folder.glob('*/vis_data/scalars.json'))
    entries = [entry for path in logs[-1:] for entry in _last_entries(path)]
    steps = [entry for entry in entries if 'iter' in entry]
    scores = [entry['mIoU'] for entry in entries if 'mIoU' in entry]
    if not steps:
        return Progress(score=scores[-1] if scores else None)
    left = (run.max_iters - steps[-1]['iter']) * steps[-1].get('time', 0.0)
    return Progress(steps[-1]['iter'], left, scores[-1] if scores else None)


def first_line_of_failure(run: Run) -> str:
    """The error of a run that failed: the last line of a traceback, or all of a message."""
    lines = run.failure.read_text().strip().splitlines()
    if not lines:
        return 'no message'
    return lines[-1] if lines[0].startswith('Traceback') else ' '.join(lines)


class LiveTable:
    """A table on a terminal, renewed in place; a line for each run that ends where the output is a file."""

    def __init__(self, runs: Sequence[Run], console: Console | None = None) -> None:
        self.runs = runs
        self.console = console or Console(highlight=False)
        self.live = Live(console=self.console, auto_refresh=False, transient=True)
        self._told: set[str] = {run.name for run in runs if run.state is State.DONE}

    def __enter__(self) -> 'LiveTable':
        if self.console.is_terminal:
            self.live.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.live.stop()

    def show(self, active: Collection[Run]) -> None:
        """Show all runs, of which ``active`` are running."""
        for run in self.runs:
            if run.name not in self._told and run not in active and run.state in (State.DONE, State.FAILED):
                self._told.add(run.name)
                self.console.print(self._ending(run))
        if self.console.is_terminal:
            self.live.update(Group(self._table(active), self._counts(active)), refresh=True)

    def _ending(self, run: Run) -> str:
        if run.state is State.FAILED:
            return f'failed  {run.name}: {first_line_of_failure(run)}'
        return f'done    {run.name}: mIoU {json.loads(run.result.read_text())["figures"]["mIoU"]:.2f}'

    def _table(self, active: Collection[Run]) -> Table:
        table = Table('running', 'iteration', 'left', 'mIoU', box=None, pad_edge=False)
        for run in self.runs:
            if run in active:
                progress = read_progress(run)
                score = '' if progress.score is None else f'{progress.score:.2f}'
                table.add_row(run.name, f'{progress.iteration}/{run.max_iters}', _span(progress.seconds_left), score)
        return table

    def _counts(self, active: Collection[Run]) -> Text:
        states = Counter('running' if run in active else run.state.value for run in self.runs)
        words = ('done', 'running', 'failed', 'interrupted', 'waiting')
        return Text(', '.join(f'{states[word]} {word}' for word in words if states[word]) + f' of {len(self.runs)}')


def _span(seconds: float | None) -> str:
    return '' if seconds is None else str(timedelta(seconds=round(seconds)))


def _last_entries(path: Path) -> list[dict]:
    """Whole lines at the end of a log that is being written."""
    with path.open('rb') as file:
        file.seek(max(0, path.stat().st_size - LAST_BYTES))
        lines = file.read().decode(errors='replace').splitlines()
    entries = []
    for line in lines:
        try:
            entries.append(json.loads(line))
        except json.JSONDecodeError:  # the first may be cut off, the last half written
            continue
    return [entry for entry in entries if isinstance(entry, dict)]
