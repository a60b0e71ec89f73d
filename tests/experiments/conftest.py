"""A sweep small enough for a test: a real config of the repository, cut down, two variants, two seeds."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest
import yaml

from scaseg.experiments.engines import Job
from scaseg.experiments.runs import Run
from scaseg.experiments.worker import train_run

CONFIG = """
_base_ = '{repository}/configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

crop_size = (64, 96)
model = dict(data_preprocessor=dict(size=crop_size), backbone=dict(dims=(8, 16, 24, 32)),
             decode_head=dict(in_channels=[8, 16, 24], channels=16))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                        dataset=dict(size=8, image_size=crop_size))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=3, image_size=crop_size))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=4, val_interval=2)
default_hooks = dict(checkpoint=dict(interval=2), logger=dict(interval=1))
"""


@pytest.fixture(scope='session')
def sweep_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two variants, two seeds: four runs of four iterations."""
    folder = tmp_path_factory.mktemp('sweep')
    config = folder / 'tiny.py'
    config.write_text(CONFIG.format(repository=Path(__file__).parents[2]))
    content = {
        'base': str(config),
        'baseline': 'plain',
        'seeds': [0, 1],
        'variants': {'plain': {}, 'fast': {'optim_wrapper.optimizer.lr': 4e-3}},
    }
    path = folder / 'tiny.yaml'
    path.write_text(yaml.safe_dump(content, sort_keys=False))
    return path


@dataclass
class Ended:
    """A run that has ended already."""

    code: int

    def exit_code(self) -> int:
        return self.code

    def stop(self) -> None:
        pass

    def wait(self) -> None:
        pass


@dataclass
class InThisProcess:
    """Trains where it stands: an engine without the seconds that a process takes to start.

    Attributes:
        breaks: names of variants whose runs fail.
        interrupts: runs after which Ctrl-C comes.
        started: names of the runs, as they were started.
    """

    breaks: Sequence[str] = ()
    interrupts: int | None = None
    started: list[str] = field(default_factory=list)
    slots: int = 1

    def start(self, runs: Sequence[Run]) -> list[Job]:
        return [self._start(run) for run in runs]

    def _start(self, run: Run) -> Job:
        if self.interrupts is not None and len(self.started) >= self.interrupts:
            raise KeyboardInterrupt
        self.started.append(run.name)
        if run.variant in self.breaks:
            run.folder.mkdir(parents=True, exist_ok=True)
            run.failure.write_text('Traceback (most recent call last):\n  …\nRuntimeError: out of luck\n')
            return Ended(1)
        train_run(run)
        return Ended(0)
