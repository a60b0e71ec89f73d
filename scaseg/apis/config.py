"""Reading configs: what mmengine does, with errors that name the file and the key."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.registry import init_default_scope

from scaseg.errors import UserError

from .config_agreement import check_agreement
from .config_files import ConfigFile, check_variables, places, read_config_file
from .config_keys import check_keys, suggest
from .config_readers import readable_root_keys
from .config_values import check_values
from .data_override import apply_data
from .schedule import settle_length


def load_config(path: str | Path, options: dict[str, Any] | None = None) -> Config:
    """Read a config file, import what it names in ``custom_imports``, apply ``--cfg-options``, check keys and values.

    Args:
        path: the config file.
        options: dotted keys and their values, as mmengine's ``DictAction`` gives them.

    Raises:
        UserError: the file is missing, does not parse or imports what is not there; a key has no reader; a value is
            not what its reader takes.
    """
    if not Path(path).is_file():
        raise UserError(f'{path}: no such config file')
    try:
        cfg = Config.fromfile(str(path))
        file = read_config_file(path)
    except Exception as error:  # a config is a program: it may raise anything
        raise UserError(f'{path}: this config cannot be read: {type(error).__name__}: {error}') from error
    _apply_options(cfg, options or {})
    check_config(cfg, file, options or {})
    return cfg


def check_config(cfg: Config, file: ConfigFile, options: dict[str, Any]) -> None:
    """Settle length and data of a run, and check variables, keys and values.

    Args:
        cfg: with the options applied, changed in place.
        file: that it was read from.
        options: that were applied.

    Raises:
        UserError: names the file, the key and what to do.
    """
    init_default_scope('mmseg' if not isinstance(cfg.get('default_scope'), str) else cfg.default_scope)
    check_variables(cfg, file)
    _check_content(cfg)
    settle_length(cfg, file, options)
    if cfg.get('data') is not None:
        apply_data(cfg)
        _check_content(cfg)
    check_agreement(cfg)


def _check_content(cfg: Config) -> None:
    check_keys(cfg)
    check_values(cfg)


def _apply_options(cfg: Config, options: dict[str, Any]) -> None:
    roots = readable_root_keys()
    for option in options:
        root = option.split('.')[0]
        if root in roots:
            continue
        if root not in cfg:
            raise UserError(f'--cfg-options {option}: {cfg.filename} has no key {root!r}' + suggest(root, roots))
        keys = places(cfg, cfg[root])
        hint = f'; set the keys it went into: {", ".join(keys)}' if keys else ''
        raise UserError(f'--cfg-options {option}: {root!r} was only used while {cfg.filename} was read{hint}')
    try:
        cfg.merge_from_dict(options)
    except Exception as error:  # mmengine merges whatever it finds
        raise UserError(f'--cfg-options {" ".join(options)}: {error}, in {cfg.filename}') from error
