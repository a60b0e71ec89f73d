"""No key without a reader: mmengine drops what nobody asks for, and a misspelt option trains the wrong model."""

import inspect
from collections.abc import Callable, Iterator
from difflib import get_close_matches
from typing import Any

from mmengine import registry as mmengine_registry
from mmengine.config import Config
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmseg import registry as mmseg_registry
from torch.utils.data import DataLoader

from scaseg.errors import UserError

# Classes whose further arguments go on to another one: its name, or None for a library that checks them itself.
PASSED_ON = {'TIMMFeatures': None, 'TIMMBackbone': None, 'RandomResize': 'Resize', 'RandomChoiceResize': 'Resize'}
PASSED_ON |= {'EMAHook': 'ExponentialMovingAverage'}
# Read from a typed dict by the function that builds it, before the class sees the rest.
BUILDER_KEYS = {'type', '_scope_', '_delete_', 'requires_grad', 'inplace', 'override', 'paramwise_cfg', 'constructor'}
BUILDER_KEYS |= {'convert_to_iter_based'}
# Dicts that are no class's: the keys that mmengine and mmseg read.
UNTYPED_KEYS = {
    'env_cfg': {'cudnn_benchmark', 'mp_cfg', 'dist_cfg', 'resource_limit'},
    'env_cfg.mp_cfg': {'mp_start_method', 'opencv_num_threads'},
    'env_cfg.dist_cfg': {'backend', 'init_backend', 'timeout'},
    'randomness': {'seed', 'diff_rank_seed', 'deterministic'},
    'model.test_cfg': {'mode', 'crop_size', 'stride', 'resampling', 'full_logits'},
    'optim_wrapper.clip_grad': {'type', 'max_norm', 'norm_type', 'error_if_nonfinite', 'clip_value', 'foreach'},
}
# What a Runner reads from the whole config beside its own arguments.
CONFIG_KEYS = {'activation_checkpointing', 'compile', 'efficient_conv_bn_eval', 'find_unused_parameters', 'sync_bn'}
CONFIG_KEYS |= {'auto_scale_lr', 'custom_imports', 'model_wrapper_cfg', 'runner_type', 'tta_model', 'tta_pipeline'}
CONFIG_KEYS |= {'channels_last', 'fold_conv_bn', 'paired_init', 'recompute_activations'}  # read by QuietRunner
CONFIG_KEYS |= {'data', 'check_files'}  # read by data_override and check_files
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
    for key in cfg:
        close = get_close_matches(key, root_keys, n=1, cutoff=0.85)
        if key not in root_keys | VARIABLES and close:
            raise UserError(f'{cfg.filename}: nothing reads the key {key!r}' + suggest(key, root_keys))
    classes = _registered_classes()
    # What stands in a variable is checked where it was put to use.
    read = {key: value for key, value in cfg.to_dict().items() if key in root_keys}
    for key, node in _dicts('', read):
        if key in UNTYPED_KEYS:
            allowed: set[str] | None = UNTYPED_KEYS[key]
        elif isinstance(node.get('type'), str) and '.' not in node['type']:  # mmengine resolves 'package.Class'
            if node['type'] not in classes:
                hint = suggest(node['type'], classes)
                raise UserError(f'{cfg.filename}: {key}.type={node["type"]!r} is not registered' + hint)
            allowed = _arguments(node['type'], classes)
        elif key.endswith('_dataloader'):
            allowed = {*inspect.signature(DataLoader).parameters, 'num_batch_per_epoch'}
        else:
            continue
        unread = [name for name in node if allowed is not None and name not in allowed | BUILDER_KEYS]
        if unread:
            owner = node.get('type', key)
            hint = suggest(unread[0], allowed)
            raise UserError(f'{cfg.filename}: {key}.{unread[0]}: {owner} takes no {unread[0]!r}' + hint)


def readable_root_keys() -> set[str]:
    """Keys at the top of a config that a Runner reads."""
    return {*inspect.signature(Runner).parameters, *CONFIG_KEYS} - {'cfg'}


def suggest(name: str, known: Any) -> str:
    """The known name that was probably meant, as the end of a sentence."""
    close = get_close_matches(name, sorted(known), n=1)
    return f'; did you mean {close[0]!r}?' if close else ''


def _registered_classes() -> dict[str, list[Callable]]:
    """Classes of all registries of mmengine and mmseg by name; a name may stand in several registries."""
    classes: dict[str, list[Callable]] = {}
    for module in (mmengine_registry, mmseg_registry):
        for registry in vars(module).values():
            if isinstance(registry, Registry):
                registry.import_from_location()
                for name, kind in registry.module_dict.items():
                    classes.setdefault(name, []).append(kind)
    return classes


def _arguments(name: str, classes: dict[str, list[Callable]]) -> set[str] | None:
    """Names of all arguments that the classes of one name take; ``None`` where anything may be passed on.

    ``**kwargs`` stands for the arguments of the base classes, as nearly everywhere in mmengine and mmseg.
    """
    further = PASSED_ON.get(name, name)
    if further is None:
        return None
    names: set[str] = set()
    for kind in {*classes[name], *classes[further]}:
        for base in inspect.getmro(kind) if inspect.isclass(kind) else [kind]:
            parameters = _parameters(base)
            names.update(argument for argument, p in parameters.items() if p.kind is not inspect.Parameter.VAR_KEYWORD)
            if all(p.kind is not inspect.Parameter.VAR_KEYWORD for p in parameters.values()):
                break
    return names


def _parameters(kind: Callable) -> dict[str, inspect.Parameter]:
    """Parameters of a class's own constructor; those of a class without one are passed on to its base."""
    if inspect.isclass(kind) and '__init__' not in vars(kind):
        return {'kwargs': inspect.Parameter('kwargs', inspect.Parameter.VAR_KEYWORD)}
    return dict(inspect.signature(vars(kind)['__init__'] if inspect.isclass(kind) else kind).parameters)


def _dicts(key: str, node: Any) -> Iterator[tuple[str, dict]]:
    """All dicts of a config with their dotted keys."""
    if isinstance(node, dict):
        yield key, node
        if node.get('type') == 'Albu':  # holds the types of another library
            return
        for name, child in node.items():
            yield from _dicts(f'{key}.{name}'.lstrip('.'), child)
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from _dicts(f'{key}[{index}]', child)
