"""Trainings that are killed at random moments and resumed, beside one that nobody disturbs."""

import json
import os
import platform
import random
import re
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from scaseg.errors import UserError
from scaseg.visualization import read_scalars

from .checkpoint import find_resumable, read_checkpoint
from .train import train

REPOSITORY = Path(__file__).parents[2]
PARTS = ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers', 'run_state')
CONFIG = """
_base_ = '{repository}/configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

crop_size = (64, 96)
model = dict(data_preprocessor=dict(size=crop_size), backbone=dict(dims=(8, 16, 24, 32), drop_path_rate=0.3),
             decode_head=dict(in_channels=[8, 16, 24], channels=16, dropout_ratio=0.5))
train_dataloader = dict(batch_size=2, num_workers=2, persistent_workers=False,
                        dataset=dict(size=16, image_size=crop_size))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=4, image_size=crop_size))
test_dataloader = val_dataloader
optim_wrapper = dict(accumulative_counts=2)
train_cfg = dict(max_iters={iterations}, val_interval=5)
default_hooks = dict(checkpoint=dict(interval=3), logger=dict(interval=1))
custom_hooks = [dict(type='EMAHook', momentum=0.05)]
"""


def kill_and_resume(kills: int, iterations: int, seed: int, work_dir: Path, result: Path | None = None) -> None:
    """Train without and with kills and compare what is in the last checkpoints, and the logged losses.

    Args:
        kills: SIGKILLs, each at a moment drawn evenly from the time that brings the training to its end with the last.
        iterations: of the training.
        seed: of the moments.
        work_dir: for a config and the folders of both runs; it must not exist or be empty.
        result: JSON file with the moments and what was compared; ``None`` writes none.

    Raises:
        UserError: the folder is in use, or the two runs differ.
    """
    if work_dir.exists() and any(work_dir.iterdir()):
        raise UserError(f'--work-dir {work_dir} is not empty; name another one, or delete it')
    work_dir.mkdir(parents=True, exist_ok=True)
    config = work_dir / 'config.py'
    config.write_text(CONFIG.format(repository=REPOSITORY, iterations=iterations))
    whole, killed = work_dir / 'whole', work_dir / 'killed'
    duration = _finish(config, whole)
    draw = random.Random(seed)
    moments = [_kill(config, killed, draw.uniform(0, duration / kills)) for _ in range(kills)]
    _finish(config, killed)
    compared = _compare(whole, killed, iterations)
    for moment in moments:
        print(moment)
    for part, same in compared.items():
        print(f'{part}: {"equal" if same else "DIFFERENT"}')
    if result is not None:
        about = dict(machine=platform.platform(), torch=torch.__version__, seed=seed, iterations=iterations)
        result.parent.mkdir(parents=True, exist_ok=True)
        result.write_text(json.dumps(dict(about, kills=moments, equal=compared), indent=1) + '\n')
    if not all(compared.values()):
        different = ', '.join(part for part, same in compared.items() if not same)
        raise UserError(f'the resumed training differs from the undisturbed one in {different}')


def _start(config: Path, folder: Path, log: Path) -> int:
    """Train in a process of its own, without the seconds that imports take; its id."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        with log.open('w') as file:
            os.dup2(file.fileno(), 1)
            os.dup2(file.fileno(), 2)
        os.setpgid(0, 0)  # with its data workers
        torch.set_num_threads(1)  # threads do not survive a fork
        train(config, work_dir=folder, resume='auto')
        status = 0
    except BaseException:
        traceback.print_exc()
        sys.stderr.flush()
    finally:
        os._exit(status)


def _finish(config: Path, folder: Path) -> float:
    """Train to the end; how many seconds that took from the first iteration on."""
    earlier = _logs(folder)
    child = _start(config, folder, folder.with_suffix('.log'))
    _wait_for_training(child, folder, earlier)
    started = time.monotonic()
    if os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) != 0:
        raise UserError(f'a training failed: {folder.with_suffix(".log").read_text().strip()[-500:]}')
    return time.monotonic() - started


def _kill(config: Path, folder: Path, seconds: float) -> dict[str, Any]:
    """Kill a training that many seconds after it has begun, and say how far it was."""
    earlier = _logs(folder)
    child = _start(config, folder, folder.with_suffix('.log'))
    _wait_for_training(child, folder, earlier)
    time.sleep(seconds)
    os.killpg(child, signal.SIGKILL)
    hit = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == -signal.SIGKILL
    reached = [int(number) for number in re.findall(r'Iter\(train\) \[ *(\d+)/', _text(folder, earlier))]
    found = find_resumable(folder) if folder.exists() else None
    resumes_from = read_checkpoint(found)['meta']['iter'] if found else 0
    return dict(after=round(seconds, 2), hit=hit, iteration=max(reached, default=None), resumes_from=resumes_from)


def _wait_for_training(child: int, folder: Path, earlier: set[Path]) -> None:
    """Wait until a process trains, or has ended: a finished training has nothing left to do."""
    while 'images: train' not in _text(folder, earlier):
        if os.waitid(os.P_PID, child, os.WEXITED | os.WNOHANG | os.WNOWAIT):
            break
        time.sleep(0.02)


def _logs(folder: Path) -> set[Path]:
    return set(folder.glob('*/*.log'))


def _text(folder: Path, earlier: set[Path]) -> str:
    """What the log file of the newest start says; empty before it is there."""
    return ''.join(path.read_text() for path in _logs(folder) - earlier)


def _compare(whole: Path, killed: Path, iterations: int) -> dict[str, bool]:
    a, b = (read_checkpoint(folder / f'iter_{iterations}.pth') for folder in (whole, killed))
    compared = {part: _equal(a[part], b[part]) for part in PARTS}
    scores = [checkpoint['message_hub']['runtime_info']['best_score'] for checkpoint in (a, b)]
    curves = [read_scalars(folder) for folder in (whole, killed)]
    losses = [dict(zip(c.train['loss'].steps.tolist(), c.train['loss'].values.tolist(), strict=True)) for c in curves]
    return compared | {'best score': scores[0] == scores[1], 'logged losses': losses[0] == losses[1]}


def _equal(a: Any, b: Any) -> bool:
    """Equality to the last bit of nested containers."""
    if isinstance(a, Tensor):
        return isinstance(b, Tensor) and a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(_equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(_equal, a, b))
    return bool((a == b).all()) if hasattr(a, 'all') else a == b
