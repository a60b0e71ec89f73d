"""A file is whole or not there."""

import resource
from pathlib import Path

import pytest
from mmengine.fileio import get_file_backend

from scaseg.engine import AtomicLocalBackend
from scaseg.errors import UserError, machine_problem


def test_it_is_found_by_name_and_writes(tmp_path: Path) -> None:
    backend = get_file_backend(str(tmp_path), backend_args=dict(backend='atomic'))
    backend.put(b'new', tmp_path / 'folder' / 'iter_1.pth')
    assert isinstance(backend, AtomicLocalBackend)
    assert [path.name for path in (tmp_path / 'folder').iterdir()] == ['iter_1.pth']


def test_an_interrupted_write_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / 'iter_1.pth'
    path.write_bytes(b'old')

    def killed(*args: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Path, 'replace', killed)
    with pytest.raises(KeyboardInterrupt):
        AtomicLocalBackend().put(b'new', path)
    assert path.read_bytes() == b'old'


def test_a_disk_that_is_full_leaves_the_old_file(tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk."""
    path = tmp_path / 'iter_1.pth'
    path.write_bytes(b'old')
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, before[1]))
    try:
        with pytest.raises(UserError, match=r'iter_1\.pth cannot be written \(File too large\)'):
            AtomicLocalBackend().put(bytes(2000), path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert path.read_bytes() == b'old'
    assert [file.name for file in tmp_path.iterdir()] == ['iter_1.pth']


def test_a_file_in_the_place_of_the_folder(tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match=r'file/iter_1\.pth cannot be written'):
        AtomicLocalBackend().put(b'new', tmp_path / 'file' / 'iter_1.pth')


@pytest.mark.parametrize(
    'error, message',
    [
        (OSError(28, 'No space left on device', 'run/scalars.json'), 'run/scalars.json cannot be written'),
        (OSError(30, 'Read-only file system'), 'work_dirs/a cannot be written'),
        (RuntimeError('DataLoader worker (pid 1) is killed by signal: Bus error.'), '/dev/shm'),
        (RuntimeError('unable to allocate shared memory(shm) for file </torch_1>'), 'num_workers'),
        (RuntimeError('something else'), None),
        (OSError(2, 'No such file or directory', 'a.png'), None),
    ],
)
def test_what_a_machine_ran_out_of(error: Exception, message: str | None) -> None:
    found = machine_problem(error, 'work_dirs/a')
    assert (found is None) if message is None else (message in str(found))
