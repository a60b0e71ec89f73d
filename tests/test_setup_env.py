"""``tools/setup_env.sh`` with stand-ins for Python, pip and the disk: what it installs, survives and says."""

import os
import signal
import subprocess
from pathlib import Path

import pytest

SCRIPT = Path(__file__).resolve().parents[1] / 'tools' / 'setup_env.sh'
# Behaves as the interpreter, as `-m venv` and as the pip in the .venv it makes; FAKE_* say how.
PYTHON = r"""#!/bin/sh
case "$*" in
    *'import platform'*) echo 3.11.9 ;;
    *version_info*) exit "${FAKE_VERSION_STATUS:-0}" ;;
    *ensurepip*) exit "${FAKE_ENSUREPIP_STATUS:-0}" ;;
    *'-m venv'*) mkdir -p .venv/bin && cp "$0" .venv/bin/python ;;
    *'-m pip install'*)
        echo "$*" >>pip_calls
        printf '%s\n' "${FAKE_PIP_SAYS:-Collecting torch}"
        [ -z "${FAKE_PIP_INTERRUPTS:-}" ] || kill -9 "$PPID"
        exit "${FAKE_PIP_STATUS:-0}" ;;
esac
"""
DF = '#!/bin/sh\necho header\necho "/dev/disk 0 0 ${FAKE_FREE_KB:-99999999} 0% /"\n'


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A repository root, with a space in its path, and the stand-ins in its bin/."""
    root = tmp_path / 'a clone'
    (root / 'bin').mkdir(parents=True)
    for name, text in (('python3', PYTHON), ('df', DF)):
        (root / 'bin' / name).write_text(text)
        (root / 'bin' / name).chmod(0o755)
    return root


def set_up(folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    variables = os.environ | {'PATH': f'{folder / "bin"}:{os.environ["PATH"]}'} | environment
    variables.setdefault('PYTHON', 'python3')
    return subprocess.run(['sh', str(SCRIPT), '1/4'], cwd=folder, env=variables, capture_output=True, text=True)


def set_up_until_killed(folder: Path) -> None:
    """Ends in the middle of pip. Without pipes, which what is left of the script would hold open for seconds."""
    variables = os.environ | {'PATH': f'{folder / "bin"}:{os.environ["PATH"]}', 'FAKE_PIP_INTERRUPTS': 'yes'}
    done = subprocess.run(['sh', str(SCRIPT)], cwd=folder, env=variables, stdout=subprocess.DEVNULL)
    assert done.returncode == -signal.SIGKILL


def is_whole(folder: Path) -> bool:
    return (folder / '.venv' / '.installed').exists() and not (folder / '.venv' / '.unfinished').exists()


def test_installs_the_tested_versions_and_the_package(folder: Path) -> None:
    done = set_up(folder)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith('1/4 installing into .venv with Python 3.11.9: about 2 minutes')
    assert is_whole(folder)
    tested, package = (folder / 'pip_calls').read_text().splitlines()
    assert '-r requirements/tested.txt' in tested
    assert '--editable .' in package and '--no-deps' in package


def test_an_interrupted_set_up_is_begun_anew(folder: Path) -> None:
    set_up_until_killed(folder)
    assert not is_whole(folder)
    half_installed = folder / '.venv' / 'half_installed'
    half_installed.touch()
    assert set_up(folder).returncode == 0
    assert is_whole(folder) and not half_installed.exists()


def test_a_whole_environment_is_kept_and_brought_up_to_date(folder: Path) -> None:
    set_up(folder)
    kept = folder / '.venv' / 'kept'
    kept.touch()
    failed = set_up(folder, FAKE_PIP_STATUS='1', FAKE_PIP_SAYS='WARNING: Retrying (Retry(total=4')
    assert failed.returncode == 1
    done = set_up(folder)
    assert done.returncode == 0 and 'up to date' in done.stdout
    assert is_whole(folder) and kept.exists()


@pytest.mark.parametrize(
    ('environment', 'words'),
    [
        ({'FAKE_VERSION_STATUS': '1', 'PYTHON': ''}, ['Python 3.11 to 3.13 is needed', 'PYTHON=']),
        ({'FAKE_VERSION_STATUS': '1'}, ['PYTHON=python3 is 3.11.9', '3.11 to 3.13']),
        ({'PYTHON': 'no_such_python'}, ['PYTHON=no_such_python is missing']),
        ({'FAKE_ENSUREPIP_STATUS': '1'}, ['virtual environments', 'apt install']),
        ({'FAKE_FREE_KB': '5242880'}, ['5 GB are free', 'free some space']),
        ({'FAKE_PIP_SAYS': 'ERROR: [Errno 28] No space left on device'}, ['the disk is full']),
        ({'FAKE_PIP_SAYS': 'WARNING: Retrying (Retry(total=4)'}, ['could not reach the package index', 'network']),
        ({'FAKE_PIP_SAYS': 'ERROR: none found'}, ['could not reach the package index']),
        ({'FAKE_PIP_SAYS': 'Collecting a\nERROR: No matching distribution found for b==1'}, ['no build', 'b==1']),
        ({'FAKE_PIP_SAYS': 'Collecting a\nsomething else'}, ['something else', '.venv/install.log']),
    ],
)
def test_a_failure_is_one_sentence_and_no_stamp(folder: Path, environment: dict[str, str], words: list[str]) -> None:
    if environment.get('PYTHON') == '':  # every Python on PATH is too old
        for name in ('python3.11', 'python3.12', 'python3.13'):
            (folder / 'bin' / name).symlink_to('python3')
    done = set_up(folder, FAKE_PIP_STATUS='1', **environment)
    assert done.returncode == 1
    errors = [line for line in done.stderr.splitlines() if line.startswith('error: ')]
    assert len(errors) == 1, done.stderr
    assert all(word in done.stderr for word in words), done.stderr
    assert not is_whole(folder)
