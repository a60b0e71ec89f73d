"""Arrows run one way: what docs/architecture.md and CONTRIBUTING.md state about imports between packages holds."""

import ast
from collections.abc import Iterator
from pathlib import Path

PACKAGE = Path(__file__).parents[1] / 'scaseg'
# A package imports packages of the rows above it, and those of its own row that are named with it.
LAYERS = [
    {'errors', 'quiet'},
    {'ops'},
    {'weights'},
    {'models'},
    {'visualization', 'datasets', 'evaluation', 'engine'},
    {'apis'},
    {'benchmarking', 'experiments', 'export'},
]
MM_PACKAGES = {'mmengine', 'mmcv', 'mmseg'}


def imports(file: Path) -> Iterator[str]:
    """Full names of the modules that a file imports, relative ones resolved."""
    package = ('scaseg', *file.relative_to(PACKAGE).parent.parts)
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            origin = '.'.join(package[: len(package) - node.level + 1]) if node.level else ''
            yield '.'.join(filter(None, [origin, node.module]))


def layer_of(module: str) -> int:
    """Number of the row that a module stands in."""
    name = module.split('.')[1]
    return next(number for number, row in enumerate(LAYERS) if name in row)


def test_every_package_has_its_place() -> None:
    packages = {path.parent.name for path in PACKAGE.glob('*/__init__.py')} | {p.stem for p in PACKAGE.glob('*.py')}
    assert packages - {'__init__'} <= set.union(*LAYERS)


def test_no_module_imports_from_above() -> None:
    wrong = []
    for path in sorted(PACKAGE.rglob('*/*.py')):
        here = layer_of(f'scaseg.{path.relative_to(PACKAGE).parts[0]}')
        wrong += [
            f'{path.relative_to(PACKAGE)} imports {name}'
            for name in imports(path)
            if name.startswith('scaseg.') and layer_of(name) > here
        ]
    assert wrong == []


def test_operators_know_no_mm_package_and_layers_no_config() -> None:
    for path in (PACKAGE / 'ops').rglob('*.py'):
        assert not {name.split('.')[0] for name in imports(path)} & MM_PACKAGES, path
    for path in (PACKAGE / 'models' / 'layers').rglob('*.py'):
        assert not [name for name in imports(path) if name.startswith('mmengine.config')], path
