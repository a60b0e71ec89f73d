"""Reading configs: what mmengine does, with errors that name the file and the key."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from scaseg.errors import UserError

from .config_keys import check_keys, readable_root_keys, suggest
from .data_override import apply_data


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config file, import what it names in ``custom_imports``, apply ``--cfg-options`` and check every key.

    Args:
        path: the config file.
        options: dotted keys and their values, as mmengine's ``DictAction`` gives them.

    Raises:
        UserError: the file is missing, does not parse or imports what is not there; a key has no reader.
    """
    if not Path(path).is_file():
        raise UserError(f'{path}: no such config file')
    try:
        cfg = Config.fromfile(str(path))
    except Exception as error:  # a config is a program: it may raise anything
        raise UserError(f'{path}: this config cannot be read: {type(error).__name__}: {error}') from error
    _apply_options(cfg, options or {})
    init_default_scope(cfg.get('default_scope', 'mmseg'))
    apply_data(cfg)
    check_keys(cfg)
    return cfg


def _apply_options(cfg: Config, options: dict[str, Any]) -> None:
    roots = readable_root_keys()
    for option in options:
        root = option.split('.')[0]
        if root in roots:
            continue
        if root not in cfg:
            raise UserError(f'--cfg-options {option}: {cfg.filename} has no key {root!r}' + suggest(root, roots))
        places = [key for key in sorted(roots & set(cfg)) for key in _places(key, cfg[key], cfg[root])][:4]
        hint = f'; set the keys it went into: {", ".join(places)}' if places else ''
        raise UserError(f'--cfg-options {option}: {root!r} was only used while {cfg.filename} was read{hint}')
    try:
        cfg.merge_from_dict(options)
    except (KeyError, IndexError, TypeError, ValueError, AssertionError) as error:
        raise UserError(f'--cfg-options {" ".join(options)}: {error}, in {cfg.filename}') from error


def _places(key: str, node: Any, value: Any) -> Iterator[str]:
    """Dotted keys under which a config holds a value."""
    if type(node) is type(value) and node == value:
        yield key
    elif isinstance(node, dict):
        for name, child in node.items():
            yield from _places(f'{key}.{name}', child, value)
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from _places(f'{key}.{index}', child, value)
