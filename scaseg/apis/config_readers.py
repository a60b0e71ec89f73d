"""Who reads what of a config: the classes that its types name, their arguments, and the Runner's own keys."""

import functools
import inspect
from collections.abc import Callable, Iterator
from typing import Any, get_type_hints

from mmengine import registry as mmengine_registry
from mmengine.registry import Registry
from mmengine.runner import Runner
from mmseg import registry as mmseg_registry

from .value_types import ROOT_KEYS

# Classes whose further arguments go on to another one: its name, or None for a library that checks them itself.
PASSED_ON = {'TIMMFeatures': None, 'TIMMBackbone': None, 'RandomResize': 'Resize', 'RandomChoiceResize': 'Resize'}
PASSED_ON |= {'EMAHook': 'ExponentialMovingAverage'}
# What a Runner reads from the whole config beside its own arguments, of any value.
CONFIG_KEYS = {'activation_checkpointing', 'auto_scale_lr', 'data', 'efficient_conv_bn_eval'}  # data: data_override
CONFIG_KEYS |= {'model_wrapper_cfg', 'runner_type', 'sync_bn'}

Classes = dict[str, list[Callable]]


def readable_root_keys() -> set[str]:
    """Keys at the top of a config that somebody reads."""
    return {*inspect.signature(Runner).parameters, *CONFIG_KEYS, *ROOT_KEYS} - {'cfg'}


def registered_classes() -> Classes:
    """Classes of all registries of mmengine and mmseg by name; a name may stand in several registries."""
    classes: Classes = {}
    for module in (mmengine_registry, mmseg_registry):
        for registry in vars(module).values():
            if isinstance(registry, Registry):
                registry.import_from_location()
                for name, kind in registry.module_dict.items():
                    classes.setdefault(name, []).append(kind)
    return classes


def arguments(name: str, classes: Classes) -> set[str] | None:
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


@functools.cache
def hints(kind: Callable) -> dict[str, Any]:
    """Types of a class's or function's arguments, as far as they are stated and can be looked up."""
    found: dict[str, Any] = {}
    for base in inspect.getmro(kind) if inspect.isclass(kind) else [kind]:
        function = vars(base).get('__init__') if inspect.isclass(base) else base
        try:
            stated = get_type_hints(function, include_extras=True) if inspect.isfunction(function) else {}
        except (NameError, TypeError):  # names that are imported for type checkers only
            stated = {}
        found = stated | found
    return found


def name_blocks(node: Any, classes: Classes) -> None:
    """Give every dict without ``type`` the one that its owner means by default: ``block=dict(drop_path=0.0)``."""
    for name, child in node.items() if isinstance(node, dict) else enumerate(node):
        if isinstance(node, dict) and isinstance(child, dict) and 'type' not in child:
            for kind in classes.get(str(node.get('type')), []):
                default = getattr(_parameters(kind).get(str(name)), 'default', None)
                if isinstance(default, dict) and 'type' in default:
                    child['type'] = default['type']
        if isinstance(child, (dict, list, tuple)):
            name_blocks(child, classes)


def dicts(key: str, node: Any) -> Iterator[tuple[str, dict]]:
    """All dicts of a config with their dotted keys."""
    if isinstance(node, dict):
        yield key, node
        if node.get('type') == 'Albu':  # holds the types of another library
            return
        for name, child in node.items():
            yield from dicts(f'{key}.{name}'.lstrip('.'), child)
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from dicts(f'{key}.{index}', child)


@functools.cache
def _parameters(kind: Callable) -> dict[str, inspect.Parameter]:
    """Parameters of a class's own constructor; those of a class without one are passed on to its base."""
    if inspect.isclass(kind) and '__init__' not in vars(kind):
        return {'kwargs': inspect.Parameter('kwargs', inspect.Parameter.VAR_KEYWORD)}
    return dict(inspect.signature(vars(kind)['__init__'] if inspect.isclass(kind) else kind).parameters)
