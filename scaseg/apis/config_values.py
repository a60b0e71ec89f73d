"""Values of a config against the types and ranges that their readers state, checked by pydantic.

A config is plain data, so it is checked as JSON is: a list may stand for a tuple and an int for a float, and nothing
else is converted: ``channels_last='no'`` is a string, not False.
"""

import functools
import inspect
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import GenericAlias, NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin, is_typeddict

from mmengine.config import Config
from mmengine.runner import Runner
from pydantic import TypeAdapter, ValidationError
from torch import Tensor, nn
from torch.utils.data import DataLoader

from scaseg.errors import UserError

from .config_readers import PASSED_ON, Classes, dicts, hints, name_blocks, readable_root_keys, registered_classes
from .value_types import ARGUMENTS, ARGUMENTS_OF, ROOT_KEYS, UNTYPED

Parts = dict | list[dict]  # what builds an object: many classes take several heads, losses, … and say "dict"
LISTS = (list, tuple, Sequence, Iterable)
PLAIN = (bool, int, float, str, bytes, dict, list, tuple, NoneType, Path, None)
# Pydantic's words, and those of somebody who writes a config.
WORDS = {
    'an object': 'a dict',
    'a valid dictionary': 'a dict',
    'a valid array': 'a list',
    'a valid integer': 'an integer',
    'a valid boolean': 'True or False',
    'a valid ': 'a ',
    'greater than or equal to': 'a number of at least',
    'less than or equal to': 'a number of at most',
    'greater than': 'a number above',
    'less than': 'a number below',
    'List should have': 'a list of',
    'Tuple should have': 'a list of',
    ' after validation': '',
    'Field required': 'one more entry',
}


def check_values(cfg: Config) -> None:
    """Check that every value of a config is of the type and in the range that its reader states.

    Raises:
        UserError: names the file, the dotted key, the value and what its reader takes.
    """
    classes = registered_classes()
    root_keys = readable_root_keys()
    config = {key: value for key, value in cfg.to_dict().items() if key in root_keys}
    name_blocks(config, classes)
    _check(cfg, '', config, 'Runner', [hints(Runner) | ROOT_KEYS])
    for key, node in dicts('', config):
        kind = node.get('type')
        if key in UNTYPED:
            _check(cfg, key, node, key.rpartition('.')[2], [UNTYPED[key].__annotations__])
        elif isinstance(kind, str) and kind in classes:
            _check(cfg, key, node, kind, _hints_of(kind, classes))
        elif key.endswith('_dataloader'):
            _check(cfg, key, node, 'DataLoader', [hints(DataLoader) | ARGUMENTS])


def _hints_of(name: str, classes: Classes) -> list[dict[str, Any]]:
    """Types of the arguments of each class of a name."""
    found = []
    for kind in classes[name]:
        names = [base.__name__ for base in inspect.getmro(kind)] if inspect.isclass(kind) else [name]
        stated = {argument: hint for (owner, argument), hint in ARGUMENTS_OF.items() if owner in names}
        passed_on = PASSED_ON.get(name)
        further = hints(classes[passed_on][0]) if passed_on else {}
        found.append(further | hints(kind) | ARGUMENTS | stated)
    return found


def _check(cfg: Config, key: str, node: dict, kind: str, hints_of_classes: list[dict[str, Any]]) -> None:
    """Check the values of one dict; of several classes of one name, one has to take each of them."""
    for name, value in node.items():
        place = f'{key}.{name}'.lstrip('.')
        problems = [problem(place, value, kind, hints.get(name, Any)) for hints in hints_of_classes]
        if problems and all(problems):
            raise UserError(f'{cfg.filename}: {problems[0]}')


def problem(key: str, value: Any, kind: str, hint: Any) -> str | None:
    """What is wrong with a value.

    Args:
        key: dotted, of the value.
        value: plain data; anything else passes.
        kind: name of the class that takes it.
        hint: its type.

    Returns:
        Key and value of the entry at fault, and what it should be; ``None`` where the value fits.
    """
    try:
        text = json.dumps(value)
    except (TypeError, ValueError):  # made by the config's code: a class, a function, a tensor
        return None
    try:
        _adapter(hint).validate_json(text, strict=True)
    except ValidationError as error:
        return _describe(key, value, kind, error)
    return None


@functools.cache
def _adapter(hint: Any) -> TypeAdapter:
    return TypeAdapter(_plain(hint))


def _plain(hint: Any) -> Any:
    """A hint in terms of what a config holds: an object is a dict that builds it; what cannot be told is Any."""
    origin, inner = get_origin(hint), get_args(hint)
    if origin is Annotated:
        return Annotated[_plain(inner[0]), *hint.__metadata__]
    if origin in (Union, UnionType):
        return Union[tuple(_plain(argument) for argument in inner)]  # noqa: UP007
    if hint is dict:
        return Parts
    if origin is Literal or hint in PLAIN or is_typeddict(hint):
        return hint
    if origin is tuple and inner:
        return GenericAlias(tuple, tuple(argument if argument is ... else _plain(argument) for argument in inner))
    container = origin or hint
    if inspect.isclass(container) and issubclass(container, Mapping):
        return GenericAlias(dict, (inner[0], _plain(inner[1]))) if inner else Parts
    if container in LISTS:
        return GenericAlias(list, (_plain(inner[0]),)) if inner else list
    return Parts if inspect.isclass(hint) and _is_built(hint) else Any


def _is_built(kind: type) -> bool:
    """Whether a config holds a dict where an argument is an object of this class."""
    return issubclass(kind, (nn.Module, Tensor)) or kind.__module__.split('.')[0] in ('mmengine', 'mmseg')


def _describe(key: str, value: Any, kind: str, error: ValidationError) -> str:
    """The faults of those alternatives that got furthest into the value, with the entry at which they ended."""
    faults = error.errors()
    depth = max(len(fault['loc']) for fault in faults)
    faults = [fault for fault in faults if len(fault['loc']) == depth]
    for step in faults[0]['loc']:
        is_entry = isinstance(value, (list, tuple)) and isinstance(step, int) and step < len(value)
        if is_entry or (isinstance(value, dict) and step in value):
            value, key = value[step], f'{key}.{step}'
    reasons = ' or '.join(dict.fromkeys(fault['msg'].removeprefix('Input should be ') for fault in faults))
    for word, ours in WORDS.items():
        reasons = reasons.replace(word, ours)
    shown = repr(value)
    shown = shown if len(shown) <= 60 else f'{shown[:57]}...'
    return f'{key}={shown}: {kind} expects {reasons}'
