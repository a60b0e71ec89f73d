"""A progress bar for anything that goes through pictures."""

from rich.console import Console
from rich.progress import (
    BarColumn,
    MofNCompleteColumn,
    Progress,
    ProgressColumn,
    Task,
    TextColumn,
    TimeRemainingColumn,
)
from rich.text import Text


def progress_bar() -> Progress:
    """A bar with the count, images a second and the time left, on the terminal that errors go to."""
    columns = [TextColumn('{task.description}'), BarColumn(), MofNCompleteColumn(), _Speed(), TimeRemainingColumn()]
    return Progress(*columns, console=Console(stderr=True))


class _Speed(ProgressColumn):
    """Images a second."""

    def render(self, task: Task) -> Text:
        return Text(f'{task.speed:.1f} images/s' if task.speed else '')
