"""Blocks from configs: a head hands in what depends on the level, and a block gets of it what it takes."""

import inspect
from typing import Any

from mmseg.registry import MODELS
from torch import nn


def build_block(cfg: dict, default: str, **level: Any) -> nn.Module:
    """Build a registered block, in its own config what is chosen, in ``level`` what its place decides.

    Args:
        cfg: config of the block. Without ``type`` it is one of ``default``, so that ``dict(qk_scale=1.0)`` is enough.
        default: name of the class that ``cfg`` means without a ``type``.
        level: arguments such as ``channels`` and ``num_heads``. A class that does not take one is not given it; an
            argument in ``cfg`` goes first.

    Raises:
        ValueError: ``cfg`` is not a dict, or no class is registered under its ``type``.
    """
    if not isinstance(cfg, dict):
        raise ValueError(f'{cfg!r}: expected the config of a block, such as dict(type={default!r})')
    cfg = {'type': default, **cfg}
    kind = MODELS.get(cfg['type']) if isinstance(cfg['type'], str) else cfg['type']
    if kind is None:
        raise ValueError(f'type={cfg["type"]!r}: no block is registered under this name; see docs/own_block.md')
    taken = _arguments(kind)
    return MODELS.build({**{name: value for name, value in level.items() if name in taken}, **cfg})


def _arguments(kind: type) -> set[str]:
    """Names of the arguments that a class takes, those that its ``**kwargs`` pass on to its bases included."""
    names: set[str] = set()
    for base in inspect.getmro(kind):
        if '__init__' in vars(base):
            parameters = inspect.signature(vars(base)['__init__']).parameters.values()
            names.update(p.name for p in parameters if p.kind is not p.VAR_KEYWORD)
            if all(p.kind is not p.VAR_KEYWORD for p in parameters):
                break
    return names
