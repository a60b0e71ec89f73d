"""From a config to a runner."""

import itertools
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.runner import BaseLoop, Runner
from mmseg.registry import RUNNERS

from scaseg.errors import UserError, folder_problem
from scaseg.evaluation import ConfusionMetric
from scaseg.evaluation.files import image_roots

from .build_errors import errors_named

RUNS = itertools.count()


def set_work_dir(cfg: Config, work_dir: str | Path | None) -> None:
    """Work folder: the argument, else the config's, else ``work_dirs/`` and the config's name.

    Raises:
        UserError: it is a file, no folder can be made or written there, or a run would write over a config.
    """
    cfg.work_dir = str(work_dir or cfg.get('work_dir') or Path('work_dirs') / Path(cfg.filename).stem)
    key = '--work-dir' if work_dir else f'{cfg.filename}: work_dir'
    if problem := folder_problem(Path(cfg.work_dir)):
        raise UserError(f'{key}={cfg.work_dir}: {problem}; name another one')
    dumped = Path(cfg.work_dir) / Path(cfg.filename).name
    if dumped.exists() and not any(Path(cfg.work_dir).glob('*/vis_data')):
        raise UserError(f'{key}={cfg.work_dir}: {dumped} lies there, which no run wrote; name another one')


def build_runner(cfg: Config) -> Runner:
    """Build the runner, and with it all that a config may get wrong: model, data loaders and optimiser.

    The schedule stays with the runner, which scales the learning rate first where ``auto_scale_lr`` asks for it.

    Raises:
        UserError: an argument in the config does not fit the others, or a folder cannot be written. Names the key
            that was being built, and the place that found the fault.
    """
    if cfg.launcher == 'pytorch' and not torch.cuda.is_available():
        _distribute_on_cpu(cfg)
    # mmengine keeps loggers and visualizers by this name and the second of the start: runs of one process must differ.
    cfg.runner_type = cfg.get('runner_type', 'QuietRunner')  # a config of mmseg's names none
    cfg.experiment_name = cfg.get('experiment_name') or f'{Path(cfg.filename).stem}_{next(RUNS)}'
    with errors_named(cfg, 'a part that has no type'):
        runner = RUNNERS.build(cfg)
        trains = cfg.get('train_cfg') is not None
        for stage in ('train', 'val') if trains else ('test',):
            # mmengine builds a loop and its data loader when they are asked for
            loop = getattr(runner, f'{stage}_loop')
            if stage != 'train' and loop is not None:
                _check_sampler(f'{stage}_dataloader', loop)
                _tell_metrics(loop)
    if trains:
        with errors_named(cfg, 'optim_wrapper'):
            runner.optim_wrapper = runner.build_optim_wrapper(runner.optim_wrapper)
    return runner


def _tell_metrics(loop: BaseLoop) -> None:
    """Metrics that save predictions keep the sub-folders of the images."""
    for metric in loop.evaluator.metrics:
        if isinstance(metric, ConfusionMetric):
            metric.image_roots = image_roots(loop.dataloader.dataset)


def _check_sampler(key: str, loop: BaseLoop) -> None:
    """Find out before an evaluation that counts every image once, not after it, that some would count twice."""
    size, total = len(loop.dataloader.dataset), getattr(loop.dataloader.sampler, 'total_size', 0)
    if total > size and any(isinstance(metric, ConfusionMetric) for metric in loop.evaluator.metrics):
        raise UserError(
            f'{key}.sampler: {total - size} of {size} images would be seen twice, so that every process has as many; '
            'set round_up=False'
        )


def _distribute_on_cpu(cfg: Config) -> None:
    """mmengine takes it that every distributed process has a GPU; say otherwise through what it lets one set."""
    if not torch.distributed.is_initialized():
        torch.distributed.init_process_group('gloo')
    wrapper = dict(type='MMDistributedDataParallel', device_ids=None, broadcast_buffers=False)
    wrapper['find_unused_parameters'] = cfg.get('find_unused_parameters', False)
    cfg.model_wrapper_cfg = wrapper | dict(cfg.get('model_wrapper_cfg') or {})
