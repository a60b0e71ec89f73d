"""A sweep that is killed at random moments ends with the figures of one that is not."""

import csv
import dataclasses
import os
import signal
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from scaseg.experiments import sweep as sweep_module
from scaseg.experiments.report import report
from scaseg.experiments.results import read_results
from scaseg.experiments.sweep import sweep

from .conftest import InThisProcess

KILLS = 5


def start(task: Callable[[], object]) -> int:
    """Do something in a process and a process group of its own, without the seconds that imports take; its id."""
    child = os.fork()
    if child:
        return child
    code = 1
    try:
        os.setsid()
        torch.set_num_threads(1)  # threads do not survive a fork
        task()
        code = 0
    finally:
        os._exit(code)


def has_ended_well(child: int) -> bool:
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


@pytest.mark.slow
def test_a_killed_sweep_reports_what_an_undisturbed_one_does(
    sweep_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sweep_module, 'build_engine', lambda place, folder: InThisProcess())
    whole, killed = tmp_path / 'whole', tmp_path / 'killed'
    begin = time.monotonic()
    assert has_ended_well(start(lambda: sweep(sweep_file, whole)))
    length = time.monotonic() - begin
    hits = 0
    for moment in np.random.default_rng().uniform(0.1, 0.5, KILLS) * length:
        child = start(lambda: sweep(sweep_file, killed))
        time.sleep(moment)
        os.killpg(child, signal.SIGKILL)
        hits += os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    assert hits > 0  # some of the five met a sweep that had not ended yet
    assert has_ended_well(start(lambda: sweep(sweep_file, killed)))
    results = [[dataclasses.replace(result, seconds=0.0) for result in read_results(f)] for f in (whole, killed)]
    assert results[0] == results[1]
    assert report([whole]) == report([killed])
    tables = []
    for folder in (whole, killed):
        rows = list(csv.DictReader((folder / 'report.csv').open(newline='')))
        tables.append([{key: value for key, value in row.items() if key != 'training (min)'} for row in rows])
    assert tables[0] == tables[1]
