"""Whether a training can go on from a checkpoint, found out before anything of it is taken over."""

from collections.abc import Iterator
from typing import Any

from mmengine.logging import HistoryBuffer
from torch import Tensor
from torch.optim import Optimizer

from scaseg.errors import UserError
from scaseg.weights.checkpoint_file import Placeholder

PARTS = ('meta', 'state_dict', 'message_hub', 'optimizer')


def check_contents(checkpoint: Any, path: str) -> None:
    """Check the parts of a checkpoint that mmengine takes over as they are.

    Raises:
        UserError: a part is missing, of another kind, or holds objects of unknown classes.
    """
    if not isinstance(checkpoint, dict) or not set(PARTS) <= set(checkpoint):
        raise UserError(
            f'{path} cannot be resumed, it holds weights alone (best_*.pth do): take an iter_*.pth, or start from its '
            'weights with --cfg-options load_from=...'
        )
    checkpoint.setdefault('param_schedulers', [])  # mmengine leaves it out where a training has none
    for problem in _problems(checkpoint):
        raise UserError(
            f'{path} cannot be resumed: {problem}; take another checkpoint, or start from its weights with '
            '--cfg-options load_from=...'
        )


def check_optimizer(state: dict[str, Any], optimizer: Optimizer, path: str) -> None:
    """Check that the state of an optimiser is that of this one.

    Raises:
        UserError: another optimiser, other parameter groups or moments of another shape.
    """
    own, other = optimizer.param_groups, state['param_groups']
    remedy = f'resume with the optim_wrapper that {path} was made by, or start from its weights with load_from'
    sizes = [[len(group['params']) for group in groups] for groups in (own, other)]
    if sizes[0] != sizes[1]:
        raise UserError(
            f'{path} has an optimiser of {len(other)} parameter groups, the config makes {len(own)} (of '
            f'{_counts(sizes[1])} and {_counts(sizes[0])} parameters); {remedy}'
        )
    for group, saved in zip(own, other, strict=True):
        if set(group) - {'initial_lr', 'lr'} != set(saved) - {'initial_lr', 'lr'}:
            odd = sorted(set(group) ^ set(saved))
            raise UserError(
                f'{path} has the state of another optimiser than optim_wrapper.optimizer.type='
                f'{type(optimizer).__name__!r}: they differ in {", ".join(odd[:4])}; {remedy}'
            )
    numbers = [number for saved in other for number in saved['params']]
    for number, parameter in zip(numbers, (p for group in own for p in group['params']), strict=True):
        for name, value in state['state'].get(number, {}).items():
            if isinstance(value, Tensor) and value.dim() > 0 and value.shape != parameter.shape:
                raise UserError(
                    f'{path}: the state {name!r} of the optimiser has the shape {tuple(value.shape)} for a parameter '
                    f'of {tuple(parameter.shape)}; {remedy}'
                )


def _counts(sizes: list[int]) -> str:
    return '+'.join(map(str, sizes[:6])) + ('+…' if len(sizes) > 6 else '')


def _problems(checkpoint: dict[str, Any]) -> Iterator[str]:
    meta, hub, optimizer = (checkpoint[part] for part in ('meta', 'message_hub', 'optimizer'))
    for part in ('meta', 'state_dict', 'message_hub', 'optimizer'):
        if not isinstance(checkpoint[part], dict):
            yield f'its {part!r} is not a dict, but {type(checkpoint[part]).__name__}'
            return
    for name in ('iter', 'epoch'):
        if not isinstance(meta.get(name), int) or meta[name] < 0:
            yield f'its meta does not say the {name} it was written at'
    for name in ('log_scalars', 'runtime_info', 'resumed_keys'):
        if not isinstance(hub.get(name), dict):
            yield f"its 'message_hub' has no dict {name!r}"
    if not all(isinstance(buffer, HistoryBuffer) for buffer in (hub.get('log_scalars') or {}).values()):
        yield "its 'message_hub' holds log_scalars that are no HistoryBuffer"
    groups = optimizer.get('param_groups')
    if not isinstance(groups, list) or not isinstance(optimizer.get('state'), dict):
        yield "its 'optimizer' has no param_groups and state"
    elif not all(isinstance(group, dict) and isinstance(group.get('params'), list) for group in groups):
        yield "its 'optimizer' has param_groups without params"
    if not isinstance(checkpoint['param_schedulers'], list):
        yield "its 'param_schedulers' is not a list"
    elif not all(isinstance(state, dict) for state in checkpoint['param_schedulers']):
        yield "its 'param_schedulers' are not dicts"
    for part in ('message_hub', 'optimizer', 'param_schedulers'):
        if _holds_placeholder(checkpoint[part]):
            yield f'its {part!r} holds objects of a class that is not known'


def _holds_placeholder(node: Any) -> bool:
    if isinstance(node, dict):
        return any(map(_holds_placeholder, (*node, *node.values())))
    if isinstance(node, (list, tuple)):
        return any(map(_holds_placeholder, node))
    return isinstance(node, Placeholder)
