"""From a config to a runner."""

import traceback
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import Runner
from mmseg.registry import RUNNERS

from scaseg.errors import UserError


def set_work_dir(cfg: Config, work_dir: str | Path | None) -> None:
    """Work folder: the argument, else the config's, else ``work_dirs/`` and the config's name."""
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs') / Path(cfg.filename).stem)


def build_runner(cfg: Config) -> Runner:
    """Build the runner, and with it the model.

    Raises:
        UserError: an argument in the config is unknown, missing or does not fit the others. Names what raised it.
    """
    if cfg.launcher == 'pytorch' and not torch.cuda.is_available():
        _distribute_on_cpu(cfg)
    try:
        return RUNNERS.build(cfg)
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        frame = traceback.extract_tb(error.__traceback__)[-1]
        place = f'{frame.filename}:{frame.lineno}'
        raise UserError(f'{cfg.filename}: {type(error).__name__}: {error} (raised in {place})') from error


def _distribute_on_cpu(cfg: Config) -> None:
    """mmengine takes it that every distributed process has a GPU; say otherwise through what it lets one set."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    cfg.model_wrapper_cfg = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
