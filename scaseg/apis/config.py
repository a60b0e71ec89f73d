"""Reading configs: what mmengine does, with errors that name the file and the key."""

from collections.abc import Iterator
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry, init_default_scope
from mmseg import registry as mmseg_registry

from scaseg.errors import UserError

# What mmengine's Runner reads beside the keys that our configs define.
RUNNER_KEYS = {'work_dir', 'launcher', 'custom_hooks', 'auto_scale_lr', 'experiment_name', 'model_wrapper_cfg'}
RUNNER_KEYS |= {'compile', 'activation_checkpointing', 'efficient_conv_bn_eval', 'find_unused_parameters', 'cfg'}


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config file, apply ``--cfg-options`` and import what the config names in ``custom_imports``.

    Args:
        path: the config file.
        options: dotted keys and their values, as mmengine's ``DictAction`` gives them.

    Raises:
        UserError: the file is missing, does not parse or imports what is not there; an option's first key is unknown.
    """
    if not Path(path).is_file():
        raise UserError(f'{path}: no such config file')
    try:
        cfg = Config.fromfile(str(path))
    except (SyntaxError, KeyError, TypeError, ValueError, ImportError, OSError, AttributeError, NameError) as error:
        raise UserError(f'{path}: this config cannot be read: {type(error).__name__}: {error}') from error
    for option in options or {}:
        root = option.split('.')[0]
        if root not in cfg and root not in RUNNER_KEYS:
            close = get_close_matches(root, [*cfg, *RUNNER_KEYS], n=1)
            raise UserError(f'--cfg-options {option}: {path} has no key {root!r}' + _suggest(close))
    cfg.merge_from_dict(options or {})
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    check_types(cfg)
    return cfg


def check_types(cfg: Config) -> None:
    """Raise a UserError that names the key when a ``type`` is in no registry."""
    known = _registered_names()
    for key, name in _types('', cfg.to_dict()):
        # 'package.Class' and 'scope.Class' are resolved by mmengine
        if '.' not in name and name not in known:
            close = get_close_matches(name, known, n=1)
            raise UserError(f'{cfg.filename}: {key}={name!r} is not registered' + _suggest(close))


def _suggest(close: list[str]) -> str:
    return f'; did you mean {close[0]!r}?' if close else ''


def _registered_names() -> set[str]:
    """Names in all registries of mmengine and mmseg, after their packages have been imported."""
    names = set()
    for module in (mmengine_registry, mmseg_registry):
        for registry in vars(module).values():
            if isinstance(registry, Registry):
                registry.import_from_location()
                names.update(registry.module_dict)
    return names


def _types(key: str, node: Any) -> Iterator[tuple[str, str]]:
    """Dotted keys of all ``type`` entries, with their values."""
    if isinstance(node, dict):
        if isinstance(node.get('type'), str):
            yield f'{key}.type'.lstrip('.'), node['type']
        for name, child in node.items():
            yield from _types(f'{key}.{name}'.lstrip('.'), child)
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from _types(f'{key}[{index}]', child)
