"""A file is whole or not there."""

from pathlib import Path

import pytest
from mmengine.fileio import get_file_backend

from scaseg.engine import AtomicLocalBackend


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
