"""The shell scripts hand every argument on as it was given."""

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from scaseg.errors import Stopped

REPOSITORY = Path(__file__).parents[1]
TOOLS = sorted((REPOSITORY / 'tools').rglob('*.py'))


def run_with_stand_in(tmp_path: Path, command: str, *arguments: str, **variables: str) -> list[str]:
    """Arguments that a script gives to ``command``, which is replaced by a script that writes them down."""
    stand_in = tmp_path / 'bin' / command
    stand_in.parent.mkdir()
    stand_in.write_text('#!/bin/sh\nprintf "%s\\n" "$@"\n')
    stand_in.chmod(0o755)
    path = f'{stand_in.parent}:{os.environ["PATH"]}'
    environment = os.environ | {'PATH': path, 'VIRTUAL_ENV': str(tmp_path)} | variables
    done = subprocess.run(['bash', *arguments], cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.splitlines()


def test_dist_train_on_one_machine_takes_a_free_port(tmp_path: Path) -> None:
    given = run_with_stand_in(tmp_path, 'python', 'tools/dist_train.sh', 'a config.py', '4', '--work-dir', 'a b')
    assert given[:5] == ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node', '4']
    assert given[5:] == ['tools/train.py', 'a config.py', '--launcher', 'pytorch', '--work-dir', 'a b']


@pytest.mark.parametrize(
    'there, taken', [(['active', '.venv', 'other'], 'active'), (['.venv', 'other'], '.venv'), (['other'], 'other')]
)
def test_the_python_that_is_taken_is_named(there: list[str], taken: str, tmp_path: Path) -> None:
    """The active environment's, else the repository's, else the first on the path."""
    (tmp_path / 'tools').mkdir()
    for script in ('dist_train.sh', 'choose_python.sh'):
        shutil.copy(REPOSITORY / 'tools' / script, tmp_path / 'tools')
    for name in there:
        stand_in = tmp_path / name / 'bin' / 'python'
        stand_in.parent.mkdir(parents=True)
        stand_in.write_text(f'#!/bin/sh\necho {name}\n')
        stand_in.chmod(0o755)
    environment = os.environ | {'PATH': f'{tmp_path / "other" / "bin"}:{os.environ["PATH"]}'}
    environment.pop('VIRTUAL_ENV', None)
    if 'active' in there:
        environment['VIRTUAL_ENV'] = str(tmp_path / 'active')
    command = ['bash', 'tools/dist_train.sh', 'c.py', '2']
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=True)
    assert done.stdout == f'{taken}\n'
    assert (tmp_path / done.stderr.removeprefix('python: ').strip()).resolve() == tmp_path / taken / 'bin' / 'python'


def test_dist_test_on_two_machines(tmp_path: Path) -> None:
    variables = dict(NNODES='2', NODE_RANK='1', MASTER_ADDR='10.0.0.1', MASTER_PORT='29501')
    given = run_with_stand_in(tmp_path, 'python', 'tools/dist_test.sh', 'c.py', 'a b.pth', '8', '--tta', **variables)
    rendezvous = ['--nnodes', '2', '--node-rank', '1', '--master-addr', '10.0.0.1', '--master-port', '29501']
    assert given[2:10] == rendezvous
    assert given[10:] == [
        '--nproc-per-node',
        '8',
        'tools/test.py',
        'c.py',
        'a b.pth',
        '--launcher',
        'pytorch',
        '--tta',
    ]


@pytest.mark.parametrize(
    'script, arguments', [('train', ['c.py', '--work-dir', 'a b']), ('test', ['c.py', 'm.pth', '--out', 'a b'])]
)
def test_slurm(script: str, arguments: list[str], tmp_path: Path) -> None:
    variables = dict(GPUS='4', SRUN_ARGS='--time 1:00 --account x')
    given = run_with_stand_in(tmp_path, 'srun', f'tools/slurm_{script}.sh', 'part', 'job', *arguments, **variables)
    assert {'--partition=part', '--job-name=job', '--ntasks=4', '--gres=gpu:4', '--ntasks-per-node=4'} <= set(given)
    end = ['--time', '1:00', '--account', 'x', 'python', '-u', f'tools/{script}.py', '--launcher', 'slurm', *arguments]
    assert given[-len(end) :] == end


@pytest.mark.parametrize('inside_a_job', [False, True])
def test_slurm_queues_again_what_was_stopped(tmp_path: Path, inside_a_job: bool) -> None:
    """The stand-in ends with the status of a stopped training the first time, and well the second time."""
    calls = tmp_path / 'calls'
    stand_in = '#!/bin/sh\necho "srun $*" >> {0}\n[ "$(wc -l < {0})" -gt 1 ] || exit 75\n'
    (tmp_path / 'srun').write_text(stand_in.format(calls))
    (tmp_path / 'scontrol').write_text(f'#!/bin/sh\necho "scontrol $*" >> {calls}\n')
    for name in ('srun', 'scontrol'):
        (tmp_path / name).chmod(0o755)
    environment = os.environ | {'PATH': f'{tmp_path}:{os.environ["PATH"]}'}
    if inside_a_job:
        environment['SLURM_JOB_ID'] = '7'
    command = ['bash', 'tools/slurm_train.sh', 'part', 'job', 'c.py']
    subprocess.run(command, cwd=REPOSITORY, env=environment, check=True, capture_output=True)
    first, second = calls.read_text().splitlines()
    assert '--signal=USR1@120' in first and first.endswith('--launcher slurm c.py')
    assert second == 'scontrol requeue 7' if inside_a_job else second.endswith('c.py --resume')


def test_the_scripts_know_the_status_of_a_stopped_training() -> None:
    assert f'try_again={Stopped.TRY_AGAIN} ' in (REPOSITORY / 'tools/slurm_train.sh').read_text()


@pytest.mark.parametrize('script', ['dist_train', 'dist_test', 'slurm_train', 'slurm_test'])
def test_too_few_arguments_say_how_to_call(script: str) -> None:
    done = subprocess.run(['bash', f'tools/{script}.sh', 'c.py'], cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    assert 'usage:' in done.stderr


@pytest.mark.parametrize('tool', TOOLS, ids=lambda tool: tool.stem)
def test_every_tool_has_help(tool: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture) -> None:
    monkeypatch.setattr(sys, 'argv', [str(tool), '--help'])
    with pytest.raises(SystemExit) as end:
        runpy.run_path(str(tool), run_name='__main__')
    assert end.value.code == 0
    assert capsys.readouterr().out.startswith('usage:')


def test_a_tool_starts_without_a_warning() -> None:
    command = [sys.executable, 'tools/train.py', '--help']
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, '')
