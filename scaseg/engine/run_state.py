"""What a checkpoint of mmengine lacks for a training to go on bit for bit.

That is the state of every process's random generators, which dropout and stochastic depth draw from; the gradients of
an accumulation that the checkpoint falls into; and the config as plain data, for comparison.
"""

import json
import random
from typing import Any

import numpy as np
import torch
from mmengine.config import Config
from mmengine.dist import all_gather_object
from torch import Tensor, nn

KEY = 'run_state'  # in the checkpoint, beside 'optimizer'
STATED = ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg')
FREE = {'pretrained', 'num_workers', 'persistent_workers', 'pin_memory', 'prefetch_factor'}  # decide nothing here


def collect(model: nn.Module, cfg: Config) -> dict[str, Any]:
    """The state of all processes; every process has to call it."""
    own = dict(random=_random_state(), gradients=_gradients(model))
    return dict(processes=all_gather_object(own), config=plain_config(cfg))


def restore(state: dict[str, Any], model: nn.Module, rank: int) -> None:
    """Set the random generators and gradients of this process to those of a checkpoint."""
    own = state['processes'][rank]
    version, words, gauss = own['random']['python']
    random.setstate((version, tuple(words), gauss))
    np.random.set_state(own['random']['numpy'])
    torch.set_rng_state(own['random']['torch'].cpu())
    if torch.cuda.is_available() and own['random']['cuda'] is not None:
        torch.cuda.set_rng_state(own['random']['cuda'].cpu())
    for name, parameter in model.named_parameters():
        if name in own['gradients']:
            parameter.grad = own['gradients'][name].to(parameter.device)


def plain_config(cfg: Config) -> dict[str, Any]:
    """The parts of a config that decide a training, as dicts, lists, strings and numbers."""
    stated: dict[str, Any] = json.loads(json.dumps({key: cfg.get(key) for key in STATED}, default=str))
    for part in ('model', 'train_dataloader'):
        stated[part] = {key: value for key, value in (stated[part] or {}).items() if key not in FREE}
    return stated


def differences(before: Any, now: Any, key: str = '') -> list[str]:
    """Dotted keys whose values differ, with both values."""
    if isinstance(before, dict) and isinstance(now, dict):
        names = dict.fromkeys([*before, *now])
        children = [(str(name), before.get(name, 'not set'), now.get(name, 'not set')) for name in names]
    elif isinstance(before, list) and isinstance(now, list) and len(before) == len(now):
        children = [(str(place), old, new) for place, (old, new) in enumerate(zip(before, now, strict=True))]
    else:
        return [] if before == now else [f'{key} {_short(before)} -> {_short(now)}']
    return [line for name, old, new in children for line in differences(old, new, f'{key}.{name}'.lstrip('.'))]


def _random_state() -> dict[str, Any]:
    cuda = torch.cuda.get_rng_state() if torch.cuda.is_available() else None
    return dict(python=random.getstate(), numpy=np.random.get_state(), torch=torch.get_rng_state(), cuda=cuda)


def _gradients(model: nn.Module) -> dict[str, Tensor]:
    """Those that wait for the rest of an accumulation; there are none behind a step."""
    return {name: p.grad.detach().cpu() for name, p in model.named_parameters() if p.grad is not None}


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f'{text[:57]}…'
