"""What runs are started with: processes of this machine, torchrun, or Slurm through submitit."""

import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import IO, Any, Protocol

import torch

from scaseg.errors import UserError

from .runs import Run
from .spec import Place

PATIENCE = 60.0  # seconds that a process which was asked to stop has, to finish its step and write its checkpoint
THREADS = ('OMP_NUM_THREADS', 'MKL_NUM_THREADS', 'OPENBLAS_NUM_THREADS', 'NUMEXPR_NUM_THREADS')


class Job(Protocol):
    """A run that was started."""

    def exit_code(self) -> int | None:
        """``None`` while it runs; 0 where it ended well."""

    def stop(self) -> None:
        """Ask it to stop."""

    def wait(self) -> None:
        """Wait until it has stopped, and make it stop where it takes too long."""


class Engine(Protocol):
    """Starts runs.

    Attributes:
        slots: runs that may be active at a time.
    """

    slots: int

    def start(self, runs: Sequence[Run]) -> list[Job]:
        """Start runs; at most as many as there are free slots."""


def build_engine(place: Place, folder: Path) -> Engine:
    """The engine that a sweep asks for.

    Args:
        place: where to run.
        folder: for the files of Slurm's jobs.
    """
    if place.engine == 'slurm':
        return SlurmEngine(place, folder / 'slurm')
    return ProcessEngine(place)


class ProcessEngine:
    """Processes of this machine, which share its cores and GPUs evenly.

    They stay in the process group of the sweep: what kills the group leaves no training behind.
    """

    def __init__(self, place: Place) -> None:
        self.slots = place.jobs
        self.place = place
        self.gpus = _visible_gpus()
        self.cores = len(os.sched_getaffinity(0))
        self._held: dict[int, ProcessJob] = {}

    def start(self, runs: Sequence[Run]) -> list[Job]:
        return [self._start(run) for run in runs]

    def _start(self, run: Run) -> Job:
        slot = next(s for s in range(self.slots) if s not in self._held or self._held[s].exit_code() is not None)
        run.folder.mkdir(parents=True, exist_ok=True)
        run.save(run.folder / 'run.json')
        output = (run.folder / 'output.txt').open('a')
        self._held[slot] = ProcessJob(self.command(run), self.environment(slot), output)
        return self._held[slot]

    def command(self, run: Run) -> list[str]:
        """The command line of a run."""
        worker = ['-m', 'scaseg.experiments.worker', str(run.folder / 'run.json')]
        if self.place.engine == 'local':
            return [sys.executable, *worker]
        torchrun = ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', str(self.place.processes)]
        return [sys.executable, *torchrun, *worker, '--launcher', 'pytorch']

    def environment(self, slot: int) -> dict[str, str]:
        """Variables of a run: its share of the cores and, where there are any, its GPUs."""
        threads = max(1, self.cores // (self.slots * self.place.processes))
        changes = dict.fromkeys(THREADS, str(threads))
        changes['PYTHONPATH'] = os.pathsep.join([str(Path(__file__).parents[2]), *_python_path()])
        if self.gpus:
            first = slot * self.place.processes
            own = [self.gpus[(first + i) % len(self.gpus)] for i in range(self.place.processes)]
            changes['CUDA_VISIBLE_DEVICES'] = ','.join(own)
        return os.environ | changes


class ProcessJob:
    """A run in a process of its own, with what it prints in a file."""

    def __init__(self, command: Sequence[str], environment: Mapping[str, str], output: IO[str]) -> None:
        with output:
            self.process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)

    def exit_code(self) -> int | None:
        return self.process.poll()

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)

    def wait(self) -> None:
        try:
            self.process.wait(PATIENCE)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()


class SlurmEngine:
    """Jobs of a cluster, as one array; a run that is preempted is queued again and goes on from its checkpoint.

    Args:
        place: ``jobs`` of the array run at a time; ``slurm`` goes to ``submitit.AutoExecutor.update_parameters``.
        folder: for submitit's files.
        cluster: ``'slurm'``, or ``'local'`` to run the same jobs as processes of this machine.

    Raises:
        UserError: submitit is not installed, there is no Slurm here, or a parameter is unknown.
    """

    slots = 1_000_000  # the queue is Slurm's

    def __init__(self, place: Place, folder: Path, cluster: str = 'slurm') -> None:
        try:
            import submitit
        except ImportError:
            raise UserError("the engine slurm needs submitit: pip install 'scaseg[slurm]'") from None
        parameters: dict[str, Any] = {'slurm_array_parallelism': place.jobs, 'tasks_per_node': 1, **place.slurm}
        try:
            self.executor = submitit.AutoExecutor(folder=folder / '%j', cluster=cluster)
            self.executor.update_parameters(**parameters)
        except (RuntimeError, NameError, TypeError, ValueError) as error:
            raise UserError(f'place.slurm: {error}') from error

    def start(self, runs: Sequence[Run]) -> list[Job]:
        for run in runs:
            run.folder.mkdir(parents=True, exist_ok=True)
        return [SlurmJob(job) for job in self.executor.map_array(RunOnNode(), runs)]


class RunOnNode:
    """What a job of the cluster calls; submitit calls ``checkpoint`` where the job is preempted."""

    def __call__(self, run: Run) -> None:
        from .worker import train_run  # on the node, where it quietens the libraries before they are imported

        train_run(run)

    def checkpoint(self, run: Run) -> Any:
        from submitit.helpers import DelayedSubmission

        return DelayedSubmission(self, run)


class SlurmJob:
    """A run in Slurm's queue."""

    def __init__(self, job: Any) -> None:
        self.job = job

    def exit_code(self) -> int | None:
        if not self.job.done():
            return None
        return int(self.job.exception() is not None)

    def stop(self) -> None:
        self.job.cancel(check=False)

    def wait(self) -> None:
        """Slurm sees to it."""


def _visible_gpus() -> list[str]:
    if not torch.cuda.is_available():
        return []
    named = [name for name in os.environ.get('CUDA_VISIBLE_DEVICES', '').split(',') if name]
    return named or [str(index) for index in range(torch.cuda.device_count())]


def _python_path() -> list[str]:
    return [path for path in os.environ.get('PYTHONPATH', '').split(os.pathsep) if path]
