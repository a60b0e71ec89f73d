"""No key without a reader: mmengine drops what nobody asks for, and a misspelt option trains the wrong model."""

import inspect
from difflib import get_close_matches
from typing import Any

from mmengine.config import Config
from mmseg.registry import RUNNERS
from torch.utils.data import DataLoader

from scaseg.errors import UserError

from .config_readers import arguments, dicts, name_blocks, readable_root_keys, registered_classes
from .value_types import UNTYPED

# Read from a typed dict by the function that builds it, before the class sees the rest.
BUILDER_KEYS = {'type', '_scope_', '_delete_', 'requires_grad', 'inplace', 'override', 'paramwise_cfg', 'constructor'}
BUILDER_KEYS |= {'convert_to_iter_based'}
# Variables that mm configs have by custom, which are near to keys with a reader.
VARIABLES = {'train_pipeline', 'val_pipeline', 'test_pipeline'}


def check_keys(cfg: Config) -> None:
    """Check that every class a config names exists and takes every argument that it is given.

    Keys at the top that no one reads may be the config's own variables (``crop_size``); only those that look like a
    misspelt one are refused.

    Raises:
        UserError: names the file, the key, and what was probably meant.
    """
    root_keys = readable_root_keys()
    if cfg.get('model') is None:
        raise UserError(f'{cfg.filename}: this config has no model; a file of configs/_base_ is a part of one')
    runner_type = cfg.get('runner_type', 'Runner')
    if isinstance(runner_type, str) and runner_type not in RUNNERS:
        hint = suggest(runner_type, RUNNERS.module_dict)
        raise UserError(f'{cfg.filename}: runner_type={runner_type!r} is not registered' + hint)
    for key in cfg:
        close = get_close_matches(key, root_keys, n=1, cutoff=0.85)
        if key not in root_keys | VARIABLES and close:
            raise UserError(f'{cfg.filename}: nothing reads the key {key!r}' + suggest(key, root_keys))
    classes = registered_classes()
    # What stands in a variable is checked where it was put to use.
    read = {key: value for key, value in cfg.to_dict().items() if key in root_keys}
    name_blocks(read, classes)
    for key, node in dicts('', read):
        if 'type' in node and not (isinstance(node['type'], str) or callable(node['type'])):
            raise UserError(f'{cfg.filename}: {key}.type={node["type"]!r} is not the name of a class')
        if key in UNTYPED:
            allowed: set[str] | None = set(UNTYPED[key].__annotations__)
        elif isinstance(node.get('type'), str) and '.' not in node['type']:  # mmengine resolves 'package.Class'
            if node['type'] not in classes:
                hint = suggest(node['type'], classes)
                raise UserError(f'{cfg.filename}: {key}.type={node["type"]!r} is not registered' + hint)
            allowed = arguments(node['type'], classes)
        elif key.endswith('_dataloader'):
            allowed = {*inspect.signature(DataLoader).parameters, 'num_batch_per_epoch'}
        else:
            continue
        unread = [name for name in node if allowed is not None and name not in allowed | BUILDER_KEYS]
        if unread:
            owner = node.get('type', key)
            hint = suggest(unread[0], allowed)
            raise UserError(f'{cfg.filename}: {key}.{unread[0]}: {owner} takes no {unread[0]!r}' + hint)


def suggest(name: str, known: Any) -> str:
    """The known name that was probably meant, as the end of a sentence."""
    close = get_close_matches(name, sorted(known), n=1)
    return f'; did you mean {close[0]!r}?' if close else ''
