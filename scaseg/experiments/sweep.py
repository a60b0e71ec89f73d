"""Run a sweep to its end: what is finished stays, what was interrupted goes on."""

import shutil
import signal
import time
from collections import deque
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from scaseg.errors import Stopped, UserError, folder_problem

from .engines import Engine, Job, build_engine
from .progress import LiveTable, first_line_of_failure
from .runs import Run, State, plan_runs
from .spec import load_spec

POLL = 0.5  # seconds between two looks at the jobs


def plan_sweep(path: str | Path, work_dir: Path, results: Path | None = None) -> list[Run]:
    """Read and check a sweep as a whole; nothing is started or written.

    Args:
        path: sweep file.
        work_dir: for a folder of checkpoints and logs for each run.
        results: for the result files; ``None`` is ``work_dir``.

    Raises:
        UserError: see ``load_spec`` and ``plan_runs``, or a folder cannot be written.
    """
    results = results or work_dir
    for flag, folder in (('--work-dir', work_dir), ('--results', results)):
        if problem := folder_problem(folder):
            raise UserError(f'{flag} {folder}: {problem}; name another one')
    return plan_runs(load_spec(path), work_dir, results)


def sweep(
    path: str | Path,
    work_dir: Path,
    results: Path | None = None,
    engine: str | None = None,
    jobs: int | None = None,
    retry_failed: bool = False,
) -> list[Run]:
    """Train every run of a sweep that has no result yet.

    Args:
        path: sweep file.
        work_dir: for a folder of checkpoints and logs for each run.
        results: for the result files and a copy of the sweep file; ``None`` is ``work_dir``.
        engine: in place of the file's ``place.engine``.
        jobs: runs at a time, in place of the file's ``place.jobs``.
        retry_failed: start the runs again that failed before; they go on from their last checkpoint.

    Returns:
        All runs; their ``state`` says what became of them.

    Raises:
        UserError: see ``plan_sweep``.
        KeyboardInterrupt: Ctrl-C or SIGTERM; the runs have stopped by then.
    """
    runs = plan_sweep(path, work_dir, results)
    place = load_spec(path).place
    place = replace(place, engine=engine or place.engine, jobs=jobs or place.jobs)
    started_with = build_engine(place, work_dir)
    results = results or work_dir
    results.mkdir(parents=True, exist_ok=True)
    shutil.copy(path, results / 'sweep.yaml')
    to_run = [run for run in runs if run.state in (State.WAITING, State.INTERRUPTED)]
    if retry_failed:
        failed = [run for run in runs if run.state is State.FAILED]
        for run in failed:
            run.failure.unlink()
        to_run = [run for run in runs if run in to_run or run in failed]
    with LiveTable(runs) as table:
        _execute(to_run, started_with, table)
    return runs


def summary(runs: Sequence[Run]) -> str:
    """What became of the runs: how many are done, and the error of each that failed."""
    failed = [run for run in runs if run.state is State.FAILED]
    lines = [f'{sum(run.state is State.DONE for run in runs)} of {len(runs)} runs are done']
    lines += [f'failed: {run.name}: {first_line_of_failure(run)} (see {run.folder}/output.txt)' for run in failed]
    return '\n'.join(lines + (['--retry-failed starts these again'] if failed else []))


def _execute(runs: Sequence[Run], engine: Engine, table: LiveTable) -> None:
    waiting, active = deque(runs), dict[str, tuple[Run, Job]]()
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        while waiting or active:
            batch = [waiting.popleft() for _ in range(min(engine.slots - len(active), len(waiting)))]
            if batch:
                jobs = engine.start(batch)
                active |= {run.name: (run, job) for run, job in zip(batch, jobs, strict=True)}
            for run, job in list(active.values()):
                code = job.exit_code()
                if code is not None:
                    del active[run.name]
                    _note_failure(run, code)
            table.show([run for run, _ in active.values()])
            if active:
                time.sleep(POLL)
    finally:  # Ctrl-C, or a defect of ours: no training is left behind
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        for _, job in active.values():
            job.stop()
        for run, job in active.values():
            job.wait()
            run.failure.unlink(missing_ok=True)  # a library may have taken Ctrl-C for an error of its own
        signal.signal(signal.SIGTERM, before)


def _note_failure(run: Run, code: int) -> None:
    """A process that was killed has left no error behind; one that a signal has stopped was interrupted."""
    if run.result.exists() or run.failure.exists() or code in (Stopped.TRY_AGAIN, 130):
        return
    reason = f'ended by signal {-code}' if code < 0 else f'ended with exit status {code}'
    hint = ' (9: often the system, which was out of memory)' if code == -signal.SIGKILL else ''
    run.failure.write_text(f'{reason}{hint}; the end of {run.folder}/output.txt may say why')
