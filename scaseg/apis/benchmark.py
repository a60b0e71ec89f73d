"""Measuring on a machine that others use too: side by side in one run, quantiles, and what else was true."""

import csv
import gc
import platform
import statistics
import subprocess
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path

import torch
from torch.profiler import ProfilerActivity, profile

from scaseg.errors import UserError

REPOSITORY = Path(__file__).parents[2]


@dataclass(frozen=True)
class Timing:
    """Quantiles of the wall time of one call, in milliseconds."""

    p20: float
    p50: float
    p80: float
    calls: int


def time_side_by_side(
    functions: Mapping[str, Callable[[], object]], device: torch.device, seconds: float = 2.0, least_rounds: int = 3
) -> dict[str, Timing]:
    """Time functions in turn, so that whatever else the machine does meets all of them alike.

    In each round every function gets a slice of a tenth of its time, in which it is called once without being timed,
    to find its memory and caches as its own calls leave them. On a GPU each call is waited for.

    Args:
        functions: what to time, by name.
        device: that they work on.
        seconds: for the timed calls of one function.
        least_rounds: rounds of a function that takes longer than that.
    """
    times: dict[str, list[list[float]]] = {name: [] for name in functions}
    while waiting := [n for n, t in times.items() if len(t) < least_rounds or sum(map(sum, t)) < seconds]:
        for name in waiting:
            times[name].append(_time_slice(functions[name], device, seconds / 10))
    return {name: _quantiles(list(chain(*slices))) for name, slices in times.items()}


def _time_slice(function: Callable[[], object], device: torch.device, seconds: float) -> list[float]:
    function()
    times: list[float] = []
    while sum(times) < seconds:
        _synchronize(device)
        start = time.perf_counter()
        function()
        _synchronize(device)
        times.append(time.perf_counter() - start)
    return times


def peak_memory(function: Callable[[], object], device: torch.device) -> int:
    """Bytes of tensors that one call holds at most beyond those that existed before, its result among them."""
    gc.collect()
    if device.type == 'cuda':
        _synchronize(device)
        before = torch.cuda.memory_allocated(device)
        torch.cuda.reset_peak_memory_stats(device)
        function()
        return torch.cuda.max_memory_allocated(device) - before
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as profiler:
        result = function()
    del result
    held = most = 0
    events = [event for event in profiler.profiler.kineto_results.events() if event.name() == '[memory]']
    for event in sorted(events, key=lambda event: event.start_ns()):
        held += event.nbytes()
        most = max(most, held)
    return most


def circumstances(device: torch.device) -> dict[str, str | int]:
    """What a figure needs beside it: commit, machine, versions, threads, day."""
    git = ['git', '-C', str(REPOSITORY)]
    commit = subprocess.run([*git, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, 'status', '--porcelain', '-uno'], capture_output=True, text=True).stdout.strip()
    return {
        'date': datetime.now(UTC).date().isoformat(),
        'commit': (commit or 'unknown') + ('+' if changed else ''),
        'machine': torch.cuda.get_device_name(device) if device.type == 'cuda' else _processor(),
        'threads': torch.get_num_threads(),
        'torch': torch.__version__,
    }


def append_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Append rows of equal columns to a CSV file, with a header where it is new.

    Raises:
        UserError: the file has other columns, or cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        columns = list(rows[0])
        is_new = not path.exists() or not path.stat().st_size
        if not is_new:
            with path.open(newline='') as file:
                found = next(csv.reader(file))
            if found != columns:
                raise UserError(
                    f'{path} has the columns {", ".join(found)}, not {", ".join(columns)}: name another file'
                )
        with path.open('a', newline='') as file:
            writer = csv.DictWriter(file, columns)
            if is_new:
                writer.writeheader()
            writer.writerows(rows)
    except OSError as error:
        raise UserError(f'{path} cannot be written ({error.strerror})') from error


def _quantiles(seconds: list[float]) -> Timing:
    fifths = statistics.quantiles(seconds, n=5, method='inclusive')
    return Timing(1e3 * fifths[0], 1e3 * statistics.median(seconds), 1e3 * fifths[3], len(seconds))


def _synchronize(device: torch.device) -> None:
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def _processor() -> str:
    """Name of the CPU, as far as the system tells it."""
    info = Path('/proc/cpuinfo')
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()
