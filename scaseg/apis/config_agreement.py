"""Values of a config that depend on each other: what a schedule counts, weights of classes, ignored labels."""

from collections.abc import Iterator
from typing import Any

from mmengine.config import Config

from scaseg.errors import UserError

from .config_readers import dicts


def check_agreement(cfg: Config) -> None:
    """Check that values that depend on each other agree.

    Raises:
        UserError: names both keys and their values.
    """
    _check_schedule(cfg)
    _check_losses(cfg)
    _check_ignored_labels(cfg)
    _check_size(cfg)
    _check_decay(cfg)


def _check_schedule(cfg: Config) -> None:
    """Loop, schedulers, checkpoints and sampler count the same thing, iterations or epochs."""
    train_cfg = cfg.get('train_cfg') or {}
    loop = train_cfg.get('type') or ('EpochBasedTrainLoop' if train_cfg.get('by_epoch') else 'IterBasedTrainLoop')
    if 'max_iters' in train_cfg:
        readers = [(f'param_scheduler.{i}', scheduler) for i, scheduler in enumerate(_schedulers(cfg))]
        checkpoint = (cfg.get('default_hooks') or {}).get('checkpoint')
        readers += [('default_hooks.checkpoint', checkpoint)] if checkpoint else []
        for key, reader in readers:
            if reader.get('by_epoch', True) and not reader.get('convert_to_iter_based'):
                raise UserError(
                    f'{cfg.filename}: {key}.by_epoch is True (the default), but {loop} counts iterations; set it to '
                    'False'
                )
    sampler = ((cfg.get('train_dataloader') or {}).get('sampler') or {}).get('type')
    if 'max_epochs' in train_cfg and sampler == 'InfiniteSampler':
        raise UserError(
            f"{cfg.filename}: train_dataloader.sampler.type='InfiniteSampler' never ends an epoch, which {loop} "
            "waits for; set it to 'DefaultSampler'"
        )


def _schedulers(cfg: Config) -> list[Any]:
    schedulers = cfg.get('param_scheduler') or []
    return [schedulers] if isinstance(schedulers, dict) else schedulers


def unlikely(cfg: Config) -> list[str]:
    """Warnings about a schedule that can run, but is probably not what was meant."""
    found = []
    length = cfg.train_cfg.get('max_iters')
    schedulers = _schedulers(cfg)
    ends = [scheduler.end for scheduler in schedulers if 'end' in scheduler and not scheduler.get('by_epoch', True)]
    if ends and length and max(ends) != length:
        found.append(
            f'param_scheduler ends at {max(ends)}, train_cfg.max_iters is {length}; max_iters={length} would set both'
        )
    if (((cfg.get('optim_wrapper') or {}).get('optimizer')) or {}).get('lr') == 0:
        found.append('optim_wrapper.optimizer.lr=0: nothing will be learnt')
    return found


def _check_losses(cfg: Config) -> None:
    for key, head in _heads(cfg.model):
        classes = head.get('num_classes')
        for place, loss in dicts(key, head):
            weights = loss.get('class_weight')
            if isinstance(weights, (list, tuple)) and classes is not None and len(weights) != classes:
                raise UserError(
                    f'{cfg.filename}: {place}.class_weight has {len(weights)} entries, {key}.num_classes is '
                    f'{classes}; give one weight for each class'
                )


def _check_ignored_labels(cfg: Config) -> None:
    """The label of padded pixels, and of those that mmseg's ``reduce_zero_label`` and most data sets leave out."""
    padding = (cfg.model.get('data_preprocessor') or {}).get('seg_pad_val', 255)
    for key, head in _heads(cfg.model):
        ignored = head.get('ignore_index', 255)
        if ignored != padding:
            raise UserError(
                f'{cfg.filename}: {key}.ignore_index={ignored}, but pixels without a label are {padding} '
                '(model.data_preprocessor.seg_pad_val); both must be the same'
            )


def _check_size(cfg: Config) -> None:
    settings = cfg.model.get('data_preprocessor') or {}
    if settings.get('size') is not None and settings.get('size_divisor') is not None:
        raise UserError(
            f'{cfg.filename}: model.data_preprocessor: size and size_divisor both say to what size images are padded; '
            'set one of them to None'
        )


def _check_decay(cfg: Config) -> None:
    wrapper = cfg.get('optim_wrapper') or {}
    factors = [name for _, node in dicts('', wrapper.get('paramwise_cfg')) for name in node if 'decay_mult' in name]
    if factors and (wrapper.get('optimizer') or {}).get('weight_decay') is None:
        raise UserError(
            f'{cfg.filename}: optim_wrapper.optimizer.weight_decay is missing, which optim_wrapper.paramwise_cfg '
            f'multiplies by its {factors[0]}; set it (0 decays nothing)'
        )


def _heads(model: dict[str, Any]) -> Iterator[tuple[str, dict[str, Any]]]:
    for name in ('decode_head', 'auxiliary_head'):
        heads = model.get(name) or []
        if isinstance(heads, dict):
            yield f'model.{name}', heads
        else:
            yield from ((f'model.{name}.{index}', head) for index, head in enumerate(heads))
