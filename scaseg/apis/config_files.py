"""The files that a config is made of, read as programs: which variables each one sets, and which of them are used."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from mmengine.config import Config

from scaseg.errors import UserError

from .config_keys import suggest
from .config_readers import readable_root_keys

STORED_BY_A_RUN = {'launcher', 'work_dir', 'experiment_name'}  # keys that a training adds to the config it stores


@dataclass
class ConfigFile:
    """One file of a config.

    Attributes:
        path: of the file.
        bases: files named in its ``_base_``.
        assigned: what it sets at its top, by name; the last value where it sets a name several times.
        used: names that its own code reads.
        used_of_bases: names that it reads from its bases, as ``_base_.name``.
    """

    path: Path
    bases: list['ConfigFile'] = field(default_factory=list)
    assigned: dict[str, ast.expr | None] = field(default_factory=dict)
    used: set[str] = field(default_factory=set)
    used_of_bases: set[str] = field(default_factory=set)

    def chain(self) -> Iterator['ConfigFile']:
        """Bases first, this file last."""
        for base in self.bases:
            yield from base.chain()
        yield self

    def states(self, key: str) -> bool:
        """Whether this file itself sets a dotted key, or something whole that holds the key."""
        root, *names = key.split('.')
        if root not in self.assigned:
            return False
        node = self.assigned[root]
        for name in names:
            entries = _entries(node)
            if entries is None or '_delete_' in entries:
                return True
            if name not in entries:
                return False
            node = entries[name]
        return True


def read_config_file(path: str | Path) -> ConfigFile:
    """Read a config file and its bases.

    Returns:
        The file. What is no Python file, and files of other packages (``_base_ = 'mmseg::…'``), come without content.
    """
    file = ConfigFile(Path(path))
    if file.path.suffix != '.py' or not file.path.is_file():
        return file
    tree = ast.parse(file.path.read_text(encoding='utf-8'))
    for statement in tree.body:
        file.assigned.update(_assigned(statement))
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load):
            file.used.add(node.id)
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == '_base_':
            file.used_of_bases.add(node.attr)
    base = file.assigned.pop('_base_', None)
    names = ast.literal_eval(base) if base is not None else []
    file.bases = [read_config_file(file.path.parent / name) for name in ([names] if isinstance(names, str) else names)]
    return file


def check_variables(cfg: Config, file: ConfigFile) -> None:
    """Check that every variable at the top of a config file is a key that is read, or used by code of the files.

    A base may offer variables that nobody takes up. A file that sets a variable of its base anew must use it itself:
    the base has used its own value already. The config that a run has stored in its folder is one file that holds the
    variables of all the files that it came from, used up.

    Raises:
        UserError: names the file and the variable, and the keys that the value of the base went into.
    """
    if set(file.assigned) >= STORED_BY_A_RUN:
        return
    files = list(file.chain())
    roots = readable_root_keys()
    for place, each in enumerate(files):
        used = each.used.union(*(later.used_of_bases for later in files[place + 1 :]))
        for name in each.assigned:
            if name in used | roots or name not in cfg or name.startswith('_'):
                continue
            base = next((before for before in each.chain() if before is not each and name in before.assigned), None)
            if base is not None:
                raise UserError(_overridden(cfg, each, base, name))
            if each is file:
                hint = suggest(name, roots) or '; use it in this file, or drop it'
                raise UserError(f'{each.path}: nothing reads the key {name!r}{hint}')


def _overridden(cfg: Config, file: ConfigFile, base: ConfigFile, name: str) -> str:
    value = Config.fromfile(str(base.path))[name]
    keys = places(cfg, value)
    remedy = f'set the keys it went into: {", ".join(keys)}' if keys else 'drop it'
    return f'{file.path}: {name!r} has no effect here, {base.path.name} has already used its own; {remedy}'


def places(cfg: Config, value: Any) -> list[str]:
    """The first dotted keys under which a config holds a value."""
    roots = readable_root_keys()
    return [found for key in sorted(roots & set(cfg)) for found in _places(key, cfg[key], value)][:4]


def _places(key: str, node: Any, value: Any) -> Iterator[str]:
    if type(node) is type(value) and node == value:
        yield key
    elif isinstance(node, dict):
        for name, child in node.items():
            yield from _places(f'{key}.{name}', child, value)
    elif isinstance(node, (list, tuple)):
        for index, child in enumerate(node):
            yield from _places(f'{key}.{index}', child, value)


def _assigned(statement: ast.stmt) -> Iterator[tuple[str, ast.expr | None]]:
    """Names that a statement sets, with their values where it is one plain assignment."""
    if isinstance(statement, ast.Assign) and all(isinstance(target, ast.Name) for target in statement.targets):
        yield from ((target.id, statement.value) for target in statement.targets if isinstance(target, ast.Name))
    elif not isinstance(statement, (ast.FunctionDef, ast.ClassDef)):
        for node in ast.walk(statement):
            if isinstance(node, ast.comprehension):
                continue
            if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
                yield node.id, None


def _entries(node: ast.expr | None) -> dict[str, ast.expr] | None:
    """Entries of a dict as it is written down; ``None`` where it is not."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == 'dict' and not node.args:
        entries = {keyword.arg: keyword.value for keyword in node.keywords}
    elif isinstance(node, ast.Dict):
        names = [getattr(key, 'value', None) for key in node.keys]
        entries = dict(zip(names, node.values, strict=True))
    else:
        return None
    return None if None in entries else {str(name): value for name, value in entries.items()}
