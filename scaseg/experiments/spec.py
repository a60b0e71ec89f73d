"""A sweep file: variants of a config, seeds and where to run, read and checked without loading a config."""

import itertools
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from scaseg.apis.config_keys import suggest
from scaseg.errors import UserError

ENGINES = ('local', 'torchrun', 'slurm')
NAME = re.compile(r'[A-Za-z0-9][A-Za-z0-9.+_-]*')


@dataclass(frozen=True)
class Variant:
    """One line of the report: a config file and changes to it, by dotted key."""

    config: str
    options: dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where and how runs are started.

    Attributes:
        engine: ``'local'`` (one process a run), ``'torchrun'`` (``processes`` of them) or ``'slurm'``.
        jobs: runs at a time.
        processes: processes of a run; each gets a GPU where there are any.
        slurm: parameters of ``submitit.AutoExecutor``: ``slurm_partition``, ``timeout_min``, …
    """

    engine: str = 'local'
    jobs: int = 1
    processes: int = 1
    slurm: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class SweepSpec:
    """What a sweep file says.

    Attributes:
        path: the file.
        baseline: the variant that all others are compared with.
        seeds: random seeds; every variant is trained with each.
        variants: by name, axes multiplied out, the options of all runs included.
        place: where to run.
    """

    path: Path
    baseline: str
    seeds: tuple[int, ...]
    variants: dict[str, Variant]
    place: Place

    @property
    def name(self) -> str:
        return self.path.stem


def load_spec(path: str | Path) -> SweepSpec:
    """Read a sweep file.

    Args:
        path: YAML with ``base``, ``variants``, ``baseline``, ``seeds`` and, where wanted, ``options`` (of all runs),
            ``axes`` (dotted key: values, multiplied out) and ``place``. Config files are named as on a command line.

    Raises:
        UserError: the file is missing, is not YAML, names something twice, or a key of it is missing, unknown or not
            as it must be.
    """
    path = Path(path)
    content = _read(path)
    known: dict[str, Callable[[Any], bool]] = {
        'base': lambda x: isinstance(x, str),
        'baseline': lambda x: isinstance(x, str),
        'seeds': lambda x: isinstance(x, list) and bool(x) and all(type(s) is int and s >= 0 for s in x),
        'variants': lambda x: _is_mapping(x) and bool(x),
        'options': _is_mapping,
        'axes': lambda x: _is_mapping(x) and all(isinstance(v, list) and v for v in x.values()),
        'place': _is_mapping,
    }
    expected = {'seeds': 'a list of integers from 0 on', 'base': 'a config file', 'baseline': 'the name of a variant'}
    expected['axes'] = 'a dotted key and a list of values on each line'
    for key, value in content.items():
        if key not in known:
            raise UserError(f'{path}: nothing reads the key {key!r}' + suggest(str(key), known))
        if not known[key](value):
            raise UserError(f'{path}: {key}: {value!r} is not {expected.get(key, "a table of keys and values")}')
    if missing := [key for key in ('variants', 'baseline', 'seeds') if key not in content]:
        raise UserError(f'{path}: the key {missing[0]!r} is missing')
    if len(set(content['seeds'])) < len(content['seeds']):
        raise UserError(f'{path}: seeds: {content["seeds"]} names a seed twice')
    variants = _variants(path, content)
    if content['baseline'] not in variants:
        hint = suggest(content['baseline'], variants)
        raise UserError(f'{path}: baseline: {content["baseline"]!r} is not a variant ({", ".join(variants)}){hint}')
    place = _place(path, content.get('place', {}))
    return SweepSpec(path, content['baseline'], tuple(content['seeds']), variants, place)


class _Loader(yaml.SafeLoader):
    """Refuses what YAML leaves silent: a key twice. Reads 1e-3 as the number that it is in YAML 1.2."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict:
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        if twice := [key for key in keys if keys.count(key) > 1]:
            raise UserError(f'line {node.start_mark.line + 1}: {twice[0]!r} is named twice')
        return super().construct_mapping(node, deep)


_Loader.add_implicit_resolver(
    'tag:yaml.org,2002:float', re.compile(r'[-+]?(\d+\.?\d*|\.\d+)[eE][-+]?\d+$'), list('-+.0123456789')
)


def _read(path: Path) -> dict[str, Any]:
    if not path.is_file():
        raise UserError(f'{path}: no such sweep file')
    try:
        content = yaml.load(path.read_text(encoding='utf-8'), _Loader)
    except UserError as error:
        raise UserError(f'{path}: {error}') from error
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UserError(f'{path}: this sweep file is not YAML: {" ".join(str(error).split())}') from error
    if not isinstance(content, dict):
        raise UserError(f'{path}: expected keys and values: base, variants, baseline, seeds')
    return content


def _is_mapping(value: object) -> bool:
    return isinstance(value, Mapping) and all(isinstance(key, str) for key in value)


def _variants(path: Path, content: dict[str, Any]) -> dict[str, Variant]:
    shared, axes = content.get('options', {}), content.get('axes', {})
    variants = {}
    for name, value in content['variants'].items():
        config, options = _one_variant(path, name, value, content.get('base'))
        for values in itertools.product(*axes.values()):
            chosen = dict(zip(axes, values, strict=True))
            full_name = '_'.join([name, *(f'{key.split(".")[-1]}-{value}' for key, value in chosen.items())])
            if not NAME.fullmatch(full_name):
                raise UserError(f'{path}: variants: {full_name!r} names a folder: take letters, digits and . + - _')
            if full_name in variants:
                raise UserError(f'{path}: axes: two variants have the name {full_name!r}')
            variants[full_name] = Variant(config, shared | chosen | options)
    return variants


def _one_variant(path: Path, name: str, value: Any, base: str | None) -> tuple[str, dict[str, Any]]:
    """Config file and options: of a table of options, of a config's name, or of both (``config`` in the table)."""
    options = {'config': value} if isinstance(value, str) else value
    if not _is_mapping(options):
        raise UserError(f'{path}: variants.{name}: {value!r} is neither a config file nor a table of options')
    config = options.get('config', base)
    if not isinstance(config, str):
        raise UserError(f'{path}: variants.{name} names no config file, and the sweep has no base')
    return config, {key: option for key, option in options.items() if key != 'config'}


def _place(path: Path, content: dict[str, Any]) -> Place:
    known = Place.__dataclass_fields__
    if unknown := [key for key in content if key not in known]:
        raise UserError(f'{path}: place.{unknown[0]}: nothing reads this key' + suggest(unknown[0], known))
    place = Place(**content)
    if place.engine not in ENGINES:
        raise UserError(f'{path}: place.engine: {place.engine!r} is not one of {", ".join(ENGINES)}')
    for key in ('jobs', 'processes'):
        if type(getattr(place, key)) is not int or getattr(place, key) < 1:
            raise UserError(f'{path}: place.{key}: {getattr(place, key)!r} is not an integer of 1 or more')
    if not _is_mapping(place.slurm):
        raise UserError(f'{path}: place.slurm: {place.slurm!r} is not a table of keys and values')
    return place
