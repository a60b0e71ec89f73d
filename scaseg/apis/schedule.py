"""The length of a training, one number, and the schedule that is stretched with it.

``max_iters`` at the top of a config file, or as an option, is the length. What the files before it state in
iterations (warm-up and decay, validation and checkpoint intervals) is stretched with it; what the same file or the
same options state themselves stays as it is.
"""

from collections.abc import Iterable
from typing import Any

from mmengine.config import Config

from scaseg.errors import UserError

from .config_files import ConfigFile

LENGTH = 'train_cfg.max_iters'
INTERVALS = ('train_cfg.val_interval', 'train_cfg.val_begin', 'default_hooks.checkpoint.interval')
SCHEDULERS = 'param_scheduler'
TIMES = ('begin', 'end', 'T_max', 'step_size', 'milestones')  # of a scheduler, in iterations


def settle_length(cfg: Config, file: ConfigFile, options: Iterable[str] = ()) -> None:
    """Set the length of a training to ``max_iters``, and stretch the schedule with it.

    Args:
        cfg: the config with its options, whose values are checked, changed in place.
        file: that it was read from.
        options: dotted keys that were set from outside.

    Raises:
        UserError: the loop counts epochs, or the options set ``train_cfg.max_iters`` as well.
    """
    options = set(options)
    files = list(file.chain())
    stretches = [each for each in files if 'max_iters' in each.assigned and not each.states(LENGTH)]
    if stretches or 'max_iters' in options:
        _stretch(cfg, files, stretches, options)
    if 'max_iters' in cfg and 'max_iters' in (cfg.get('train_cfg') or {}):
        cfg.max_iters = cfg.train_cfg.max_iters


def _stretch(cfg: Config, files: list[ConfigFile], stretches: list[ConfigFile], options: set[str]) -> None:
    length: Any = None
    factors = dict.fromkeys((*INTERVALS, SCHEDULERS), 1.0)
    for each in files:
        before = length
        if each.states(LENGTH):
            length = (Config.fromfile(str(each.path)).get('train_cfg') or {}).get('max_iters')
        elif each in stretches and before is not None:
            length = Config.fromfile(str(each.path)).max_iters
        stretch = length / before if each in stretches and before else 1.0
        factors = {key: 1.0 if each.states(key) else factor * stretch for key, factor in factors.items()}
    stretch = 1.0
    if 'max_iters' in options:
        if LENGTH in options:
            raise UserError(f'--cfg-options max_iters={cfg.max_iters}: {LENGTH} is set as well; give one of them')
        stretch, length = cfg.max_iters / length if length else 1.0, cfg.max_iters
    if 'max_iters' not in (cfg.get('train_cfg') or {}):
        kind = (cfg.get('train_cfg') or {}).get('type')
        raise UserError(f'{cfg.filename}: max_iters={cfg.max_iters}: train_cfg.type={kind} counts no iterations')
    if not any(_states(option, LENGTH) for option in options):
        cfg.train_cfg.max_iters = length
    for key in INTERVALS:
        _scale(cfg, key, factors[key] * (1.0 if any(_states(option, key) for option in options) else stretch))
    _scale_schedulers(cfg, factors[SCHEDULERS], stretch, options)


def _states(option: str, key: str) -> bool:
    """Whether an option sets a key, or something whole that holds the key."""
    return key == option or key.startswith(f'{option}.')


def _scaled(value: Any, factor: float, least: int = 1) -> Any:
    if isinstance(value, (list, tuple)):
        return [_scaled(entry, factor) for entry in value]
    return max(round(value * factor), least) if isinstance(value, int) and value > 0 else value


def _scale(cfg: Config, key: str, factor: float) -> None:
    *parents, name = key.split('.')
    node: Any = cfg
    for parent in parents:
        node = node.get(parent) or {}
    if name in node and factor != 1.0:
        node[name] = _scaled(node[name], factor)


def _scale_schedulers(cfg: Config, factor: float, stretch: float, options: Iterable[str]) -> None:
    """Scale the times of all schedulers; one that is left with fewer than two iterations does nothing, and goes."""
    schedulers, kept = cfg.get(SCHEDULERS) or [], []
    for index, scheduler in enumerate([schedulers] if isinstance(schedulers, dict) else schedulers):
        for name in TIMES if not scheduler.get('by_epoch', True) else ():
            stated = any(_states(option, f'{SCHEDULERS}.{index}.{name}') for option in options)
            if name in scheduler:
                least = 0 if name in ('begin', 'end') else 1
                scheduler[name] = _scaled(scheduler[name], factor * (1.0 if stated else stretch), least)
        if scheduler.get('end', 2) - scheduler.get('begin', 0) >= 2:
            kept.append(scheduler)
    cfg[SCHEDULERS] = kept
