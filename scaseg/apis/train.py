"""Training, as ``tools/train.py`` does it."""

import os
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from torch import nn

from scaseg.errors import UserError
from scaseg.weights.fit import shorten

from .build import build_runner, set_work_dir
from .build_errors import errors_named, first_step_named
from .check_files import check_before_training
from .checkpoint import find_resumable, report_initialisation
from .checks import check_data, check_device
from .class_weights import apply_class_weights
from .config import load_config
from .config_agreement import unlikely
from .outputs import check_folders


def train(
    config: str | Path,
    work_dir: str | Path | None = None,
    resume: str | None = None,
    amp: bool = False,
    options: dict[str, Any] | None = None,
    launcher: str = 'none',
    seed: int | None = None,
    deterministic: bool = False,
) -> nn.Module:
    """Train the model of a config and evaluate it along the way.

    Args:
        config: config file.
        work_dir: where checkpoints and logs go; ``None`` takes the config's, or ``work_dirs/`` and its name.
        resume: ``'auto'`` continues from the latest checkpoint in the work folder and starts afresh where there is
            none; a path continues from that checkpoint; ``None`` does what ``resume`` and ``load_from`` in the config
            say.
        amp: mixed precision.
        options: changes to the config, by dotted key.
        launcher: ``'none'``, or how the processes of a distributed run were started: ``'pytorch'``, ``'slurm'``,
            ``'mpi'``.
        seed: random seed; ``None`` takes the config's.
        deterministic: the same result every time, at a cost in speed.

    Returns:
        The trained model.

    Raises:
        UserError: config, data, checkpoint or device is not as it must be.
    """
    cfg = load_config(config, options)
    cfg.launcher = launcher
    set_work_dir(cfg, work_dir)
    if amp:
        cfg.optim_wrapper.type = 'AmpOptimWrapper'
    if seed is not None:
        cfg.setdefault('randomness', {})['seed'] = seed
    if deterministic:
        cfg.setdefault('randomness', {})['deterministic'] = True
        cfg.setdefault('env_cfg', {})['cudnn_benchmark'] = False
    check_device(cfg)
    check_data(cfg, ['train_dataloader', 'val_dataloader'])
    check_folders(cfg)
    check_before_training(cfg)
    apply_class_weights(cfg)
    _settle_resume(cfg, resume)
    runner = build_runner(cfg)
    if cfg.load_from and not cfg.resume:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        report_initialisation(model, cfg.load_from, runner.train_dataloader.dataset.metainfo.get('classes'))
    _announce(runner, cfg)
    with first_step_named(runner), errors_named(cfg):  # of the schedule, which is built now
        return runner.train()


def _announce(runner: Runner, cfg: Config) -> None:
    """Say what a training reads, and warn of what is probably not meant."""
    counts = [f'train {len(runner.train_dataloader.dataset)}']
    if runner.val_loop is not None:
        counts.append(f'val {len(runner.val_dataloader.dataset)}')
    runner.logger.info(f'images: {", ".join(counts)}')
    for warning in unlikely(cfg):
        runner.logger.warning(warning)


def _settle_resume(cfg: Config, resume: str | None) -> None:
    """Turn ``--resume`` and the config's ``resume`` and ``load_from`` into one checkpoint or none."""
    cfg.setdefault('load_from', None)
    from_work_dir = resume == 'auto' or (resume is None and cfg.get('resume') and cfg.load_from is None)
    if from_work_dir:
        found = find_resumable(cfg.work_dir)
        cfg.resume, cfg.load_from = found is not None, str(found) if found else cfg.load_from
        if found is None and os.environ.get('RANK', '0') == '0':
            print_log(f'nothing to resume in {cfg.work_dir}: training starts at iteration 0')
    elif resume is not None:
        cfg.resume, cfg.load_from = True, resume
    if not from_work_dir:
        _refuse_used_folder(cfg)
    if cfg.get('resume'):
        cfg.model.pretrained = None  # the checkpoint holds the encoder


def _refuse_used_folder(cfg: Config) -> None:
    """A run that does not go on from this folder must not delete or overwrite what another run left in it."""
    folder = Path(cfg.work_dir)
    if cfg.get('resume') and Path(str(cfg.load_from)).resolve().parent == folder.resolve():
        return
    found = sorted(
        path.name for pattern in ('iter_*.pth', 'epoch_*.pth', 'best_*.pth') for path in folder.glob(pattern)
    )
    if found:
        raise UserError(
            f'{folder} holds checkpoints of another run ({shorten(found)}): --resume goes on from them, another '
            '--work-dir keeps the two apart'
        )
