"""Training, as ``tools/train.py`` does it."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.model import is_model_wrapper
from torch import nn

from scaseg.errors import UserError

from .build import build_runner, set_work_dir
from .checkpoint import find_resumable, read_checkpoint, report_initialisation
from .checks import check_data, check_device
from .config import load_config


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
        cfg.optim_wrapper.setdefault('loss_scale', 'dynamic')
    if seed is not None:
        cfg.randomness.seed = seed
    if deterministic:
        cfg.randomness.deterministic = True
        cfg.env_cfg.cudnn_benchmark = False
    check_device(cfg)
    check_data(cfg, ['train_dataloader', 'val_dataloader'])
    _settle_resume(cfg, resume)
    runner = build_runner(cfg)
    if cfg.load_from and not cfg.resume:
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        report_initialisation(model, cfg.load_from)
    return runner.train()


def _settle_resume(cfg: Config, resume: str | None) -> None:
    """Turn ``--resume`` and the config's ``resume`` and ``load_from`` into one checkpoint or none."""
    if resume is not None:
        cfg.resume, cfg.load_from = True, None if resume == 'auto' else resume
    if not cfg.get('resume'):
        cfg.resume, cfg.load_from = False, cfg.get('load_from')
        return
    if cfg.get('load_from') is None:
        found = find_resumable(cfg.work_dir)
        if found is None:
            print_log(f'nothing to resume in {cfg.work_dir}: training starts at iteration 0')
            cfg.resume = False
            return
        cfg.load_from = str(found)
    missing = {'meta', 'optimizer', 'param_schedulers', 'message_hub'} - set(read_checkpoint(cfg.load_from))
    if missing:
        raise UserError(
            f'{cfg.load_from} cannot be resumed, it holds weights alone (best_*.pth do): take an iter_*.pth, '
            'or start from its weights with --cfg-options load_from=...'
        )
    cfg.model.pretrained = None  # the checkpoint holds the encoder
