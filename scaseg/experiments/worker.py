"""The process that trains one run of a sweep: ``python -m scaseg.experiments.worker RUN.json``."""

import argparse
import contextlib
import fcntl
import json
import os
import shutil
import traceback
from collections.abc import Iterator
from pathlib import Path

from scaseg.quiet import quiet_dependencies

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')
quiet_dependencies()

from mmengine.dist import is_main_process  # noqa: E402

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402
from scaseg.apis.train import train  # noqa: E402
from scaseg.errors import Stopped, UserError  # noqa: E402

from .results import measure_result  # noqa: E402
from .runs import CONFIG_FILE, Run, hash_config, resolved  # noqa: E402


def train_run(run: Run, launcher: str = 'none') -> None:
    """Train a run from where it was left, and write its result file at the end.

    Args:
        run: what to train; nothing is done where its result exists.
        launcher: how the processes of the run were started, as in ``scaseg.apis.train``.

    Raises:
        UserError: another process trains this run, or anything that ``train`` finds.
    """
    if run.result.exists():
        return
    run.folder.mkdir(parents=True, exist_ok=True)
    with _alone(run.folder):
        try:
            _leave_config(run)
            matrices = run.folder / 'matrices.npz'
            options = {**run.options, f'{run.metric_key}.image_matrices': str(matrices)}
            train(run.config, work_dir=run.folder, resume='auto', options=options, launcher=launcher)
            if is_main_process():
                run.result.parent.mkdir(parents=True, exist_ok=True)
                shutil.copy(matrices, run.matrices)
                measure_result(run).save(run.result)
        except Stopped:  # by a signal, and saved: interrupted, not failed
            raise
        except Exception as error:
            text = str(error) if isinstance(error, UserError) else traceback.format_exc()
            run.failure.write_text(text)
            raise


def _leave_config(run: Run) -> None:
    """Write the resolved config, which tells later what has changed; it must be the one that the sweep has checked."""
    cfg = load_config(run.config, run.options)
    if hash_config(cfg) != run.config_hash:
        raise UserError(f'{run.config}: this config, or one of its bases, has changed since the sweep was started')
    (run.folder / CONFIG_FILE).write_text(json.dumps(resolved(cfg), indent=1))


@contextlib.contextmanager
def _alone(folder: Path) -> Iterator[None]:
    """Hold the run for this process and those of its group; a lock ends with the process, however that ends."""
    if os.environ.get('RANK', '0') != '0':
        yield
        return
    with (folder / 'lock').open('w') as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            raise UserError(f'{folder}: another process is training this run') from None
        yield


def main() -> None:
    parser = argparse.ArgumentParser(description='Train one run of a sweep; tools/sweep.py starts it.')
    parser.add_argument('run', type=Path, help='file that tells the run')
    parser.add_argument('--launcher', choices=['none', 'pytorch'], default='none')
    args = parser.parse_args()
    train_run(Run.load(args.run), args.launcher)


if __name__ == '__main__':
    run_tool(main)
