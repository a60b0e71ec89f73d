"""What a newcomer's first minute hangs on: requirements, make targets, .gitignore, a light ``import scaseg``."""

import ast
import os
import re
import shutil
import subprocess
import sys
from importlib.metadata import Distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import scaseg

ROOT = Path(__file__).resolve().parents[1]
IMPORTED_AS = {
    'yaml': 'pyyaml',
    'cv2': 'opencv-python',
    'mmcv': 'onedl-mmcv',
    'mmengine': 'onedl-mmengine',
    'mmseg': 'onedl-mmsegmentation',
    'PIL': 'pillow',
}
TARGETS = ('help', 'install', 'quickstart', 'test', 'lint')


@pytest.fixture(scope='module')
def metadata(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The metadata that pip would read, built from a copy of the sources in a process of its own."""
    folder = tmp_path_factory.mktemp('package')
    for name in ('setup.py', 'requirements.txt', 'pyproject.toml', 'README.md', 'scaseg/__init__.py'):
        (folder / name).parent.mkdir(exist_ok=True)
        shutil.copy(ROOT / name, folder / name)
    build = "from setuptools import build_meta; build_meta.prepare_metadata_for_build_wheel('.')"
    subprocess.run([sys.executable, '-c', build], cwd=folder, check=True, capture_output=True)
    return Distribution.at(next(folder.glob('scaseg-*.dist-info')))


def requirements(metadata: Distribution, extra: str = '') -> dict[str, Requirement]:
    """Requirements by normalised name: the plain ones, or with ``extra`` those it adds."""
    wanted = {}
    for line in metadata.requires or []:
        requirement = Requirement(line)
        marker = requirement.marker
        if (marker is None and not extra) or (marker is not None and extra and marker.evaluate({'extra': extra})):
            wanted[canonicalize_name(requirement.name)] = requirement
    return wanted


def read_pins() -> dict[str, str]:
    lines = (ROOT / 'requirements' / 'tested.txt').read_text().splitlines()
    pins = [line.split('==') for line in lines if not line.startswith('#')]
    assert all(len(pin) == 2 for pin in pins), 'every line of requirements/tested.txt is name==version'
    names = [canonicalize_name(name) for name, _ in pins]
    assert len(names) == len(set(names))
    return dict(zip(names, (version for _, version in pins), strict=True))


def test_every_requirement_has_a_tested_version(metadata: Distribution) -> None:
    tested = read_pins()
    needed = requirements(metadata) | requirements(metadata, extra='dev')
    assert {'torch', 'torchvision', 'onedl-mmsegmentation', 'pytest'} <= set(needed)
    for name, requirement in needed.items():
        assert name in tested, f'requirements/tested.txt lacks {name}'
        assert requirement.specifier.contains(tested[name]), f'{requirement} excludes the tested {tested[name]}'


def test_tested_versions_hold_on_every_platform() -> None:
    """Torch itself names the CUDA packages of the platform it is installed on."""
    assert not [name for name in read_pins() if name.startswith(('nvidia-', 'cuda-', 'triton'))]


def test_the_version_is_the_same_everywhere(metadata: Distribution) -> None:
    citation = re.search(r'^version: (\S+)$', (ROOT / 'CITATION.cff').read_text(), flags=re.MULTILINE)
    assert citation is not None
    assert metadata.version == scaseg.__version__ == citation.group(1)


def imported_modules(file: Path) -> set[str]:
    """Top-level names of all absolute imports in a file."""
    names: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding='utf-8'))):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module)
    return {name.split('.')[0] for name in names}


def test_what_is_imported_is_required(metadata: Distribution) -> None:
    extras = ('export', 'demo', 'slurm', 'dev')
    declared = set(requirements(metadata)).union(*(requirements(metadata, extra=extra) for extra in extras))
    declared.add('triton')  # comes with torch for GPUs, and is looked for before it is imported
    for file in [*ROOT.glob('scaseg/**/*.py'), *ROOT.glob('tools/**/*.py')]:
        known = sys.stdlib_module_names | {'scaseg'} | {sibling.stem for sibling in file.parent.glob('*.py')}
        foreign = {canonicalize_name(IMPORTED_AS.get(name, name)) for name in imported_modules(file) - known}
        assert foreign <= declared, f'{file.relative_to(ROOT)} imports {foreign - declared}: add to requirements.txt'


def test_importing_scaseg_imports_nothing_heavy() -> None:
    code = (
        "import sys, scaseg; print([m for m in ('torch', 'numpy', 'mmengine', 'mmcv', 'mmseg') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, '-c', code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == '[]'


@pytest.mark.skipif(shutil.which('git') is None, reason='needs git')
def test_git_ignores_data_and_results_but_no_source(tmp_path: Path) -> None:
    shutil.copy(ROOT / '.gitignore', tmp_path)
    environment = os.environ | {'GIT_CONFIG_GLOBAL': os.devnull, 'GIT_CONFIG_NOSYSTEM': '1'}
    subprocess.run(['git', 'init', '-q'], cwd=tmp_path, env=environment, check=True)

    def ignored(path: str) -> bool:
        return subprocess.run(['git', 'check-ignore', '-q', path], cwd=tmp_path, env=environment).returncode == 0

    for path in ('data/ade/a.png', 'work_dirs/quickstart/best.pth', '.venv/bin/python', 'scaseg.egg-info/PKG-INFO'):
        assert ignored(path), path
    for path in ('data/.gitkeep', 'work_dirs/.gitkeep', 'tools/data/prepare.py', 'scaseg/build/a.py', '.ci/run'):
        assert not ignored(path), path


def make(*arguments: str, folder: Path = ROOT) -> str:
    """What make prints; it runs outside of a make that runs this test."""
    environment = {key: value for key, value in os.environ.items() if not key.startswith('MAKE') and key != 'MFLAGS'}
    done = subprocess.run(['make', *arguments], cwd=folder, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.mark.skipif(shutil.which('make') is None, reason='needs make')
class TestMake:
    def test_plain_make_lists_every_target(self) -> None:
        assert [line.split()[1] for line in make().splitlines()] == list(TARGETS)

    @pytest.mark.parametrize('target', TARGETS)
    def test_target_exists(self, target: str) -> None:
        assert make('-n', target)

    def test_quickstart_runs_files_that_exist(self) -> None:
        named = re.findall(r'(?:tools|configs)/\S+\.py', make('-n', 'quickstart'))
        assert len(named) >= 4
        for name in named:
            assert (ROOT / name).is_file(), name

    def test_set_up_runs_again_only_after_a_change(self, tmp_path: Path) -> None:
        sources = ('pyproject.toml', 'requirements.txt', 'requirements/tested.txt')
        for order, name in enumerate((*sources, '.venv/.installed')):
            (tmp_path / name).parent.mkdir(exist_ok=True)
            (tmp_path / name).touch()
            os.utime(tmp_path / name, (order, order))
        shutil.copy(ROOT / 'Makefile', tmp_path)
        assert 'setup_env.sh' not in make('-n', 'test', folder=tmp_path)
        for name in sources:
            os.utime(tmp_path / name, (10, 10))
            assert 'setup_env.sh' in make('-n', 'test', folder=tmp_path), name
            os.utime(tmp_path / name, (0, 0))
