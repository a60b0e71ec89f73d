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

import mmcv
import mmengine
import mmseg
import timm
import torch
from torch.profiler import ProfilerActivity, profile

from scaseg.errors import UserError


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
        synchronize(device)
        start = time.perf_counter()
        function()
        synchronize(device)
        times.append(time.perf_counter() - start)
    return times


def peak_memory(function: Callable[[], object], device: torch.device) -> int:
    """Bytes of tensors that one call holds at most beyond those that existed before, its result among them."""
    gc.collect()
    if device.type == 'cuda':
        synchronize(device)
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
    return repository_state() | {
        'machine': torch.cuda.get_device_name(device) if device.type == 'cuda' else _processor(),
        'threads': torch.get_num_threads(),
        'torch': torch.__version__,
    }


def repository_state() -> dict[str, str | int]:
    """Day and commit; a '+' stands for changes that are not committed."""
    git = ['git', '-C', str(Path(__file__).parent)]
    commit = subprocess.run([*git, 'rev-parse', '--short', 'HEAD'], capture_output=True, text=True).stdout.strip()
    changed = subprocess.run([*git, 'status', '--porcelain', '-uno'], capture_output=True, text=True).stdout.strip()
    return {'date': datetime.now(UTC).date().isoformat(), 'commit': (commit or 'unknown') + ('+' if changed else '')}


def synchronize(device: torch.device) -> None:
    """Wait for a GPU; a CPU has finished when a call returns."""
    if device.type == 'cuda':
        torch.cuda.synchronize(device)


def call_rows(
    names: Sequence[str],
    calls: Mapping[Sequence[str], Callable[[], object]],
    images: int,
    device: torch.device,
    seconds: float,
) -> list[dict[str, object]]:
    """Time calls side by side and take their peak memory: one row of a table for each.

    Args:
        names: columns that tell one call from the other.
        calls: the values of these columns -> call.
        images: that one call works on.
        device: see ``time_side_by_side``.
        seconds: see ``time_side_by_side``.
    """
    timings = time_side_by_side({'\n'.join(key): call for key, call in calls.items()}, device, seconds)
    first = next(iter(timings.values())).p50
    return [
        dict(zip(names, key, strict=True))
        | {
            'calls': timing.calls,
            'p20 (ms)': round(timing.p20, 2),
            'p50 (ms)': round(timing.p50, 2),
            'p80 (ms)': round(timing.p80, 2),
            'images/s': round(1e3 * images / timing.p50, 2),
            'peak (MiB)': round(peak_memory(call, device) / 2**20, 1),
            'ratio': round(timing.p50 / first, 3),
        }
        for (key, call), timing in zip(calls.items(), timings.values(), strict=True)
    ]


def print_markdown(title: str, rows: Sequence[Mapping[str, object]]) -> None:
    """A Markdown table under a line that says what it is."""
    print(f'\n{title}\n\n| ' + ' | '.join(rows[0]) + ' |')
    print('|' + ' --- |' * len(rows[0]))
    for row in rows:
        print('| ' + ' | '.join(map(str, row.values())) + ' |')


def library_versions() -> dict[str, str]:
    """Versions of what networks are made of, beside torch's."""
    modules = {'mmseg': mmseg, 'mmcv': mmcv, 'mmengine': mmengine, 'timm': timm}
    return {'python': platform.python_version()} | {name: module.__version__ for name, module in modules.items()}


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


def _processor() -> str:
    """Name of the CPU, as far as the system tells it."""
    info = Path('/proc/cpuinfo')
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith('model name'):
                return line.partition(':')[2].strip()
    return platform.processor() or platform.machine()
