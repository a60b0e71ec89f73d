"""Checkpoints are data: what a hostile file asks for is not done, whoever wrote the rest of it."""

import collections
import functools
import http.server
import os
import pickle
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader

from scaseg.errors import UserError
from scaseg.weights import read_checkpoint
from scaseg.weights.checkpoint_file import Placeholder, is_whole


class Attack:
    """Unpickles to a call of ``function``."""

    def __init__(self, function: object, *arguments: object) -> None:
        self.call = function, arguments

    def __reduce__(self) -> tuple:
        return self.call


@pytest.fixture
def served(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[tuple[str, Path]]:
    """An address, and the folder that it serves."""
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'cache'))
    folder = tmp_path / 'served'
    folder.mkdir()
    handler = functools.partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    with http.server.ThreadingHTTPServer(('127.0.0.1', 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f'http://127.0.0.1:{server.server_port}', folder
        server.shutdown()


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
def test_what_mmengine_stores_comes_back(tmp_path: Path, legacy: bool) -> None:
    content = {
        'state_dict': collections.OrderedDict(weight=torch.ones(2)),
        'message_hub': dict(loss=HistoryBuffer([1.0, 2.0], [1, 1]), score=np.float64(0.1), flag=np.bool_(True)),
        'meta': dict(classes=np.array(['a', 'b']), palette=np.eye(3, dtype=np.uint8), cfg=ConfigDict(a=dict(b=1))),
    }
    torch.save(content, tmp_path / 'a.pth', _use_new_zipfile_serialization=not legacy)
    read = read_checkpoint(tmp_path / 'a.pth')
    assert read['message_hub']['loss'].mean() == 1.5
    assert read['message_hub']['score'] == 0.1
    assert read['meta']['classes'].tolist() == ['a', 'b']
    assert read['meta']['palette'].tolist() == np.eye(3).tolist()
    assert read['meta']['cfg'].a.b == 1


@pytest.mark.parametrize('legacy', [False, True], ids=['zip', 'legacy'])
def test_calls_become_placeholders(tmp_path: Path, legacy: bool) -> None:
    marker = tmp_path / 'marker'
    attacks = [
        Attack(subprocess.Popen, ['touch', str(marker)]),
        Attack(exec, f'open({str(marker)!r}, "w")'),
        Attack(open, str(marker), 'w'),
    ]
    content = {'state_dict': {'w': torch.ones(1)}, 'meta': attacks}
    torch.save(content, tmp_path / 'a.pth', _use_new_zipfile_serialization=not legacy)
    read = read_checkpoint(tmp_path / 'a.pth')
    assert [type(entry) for entry in read['meta']] == [Placeholder] * 3
    assert read['state_dict']['w'] == 1
    assert CheckpointLoader.load_checkpoint(str(tmp_path / 'a.pth'))['state_dict']['w'] == 1, "mmengine's own door"
    assert not marker.exists()


@pytest.mark.parametrize(
    'attack', [Attack(getattr, HistoryBuffer, '__init__'), Attack(getattr, dict, 'get')], ids=['HistoryBuffer', 'dict']
)
def test_getattr_reaches_the_statistics_alone(tmp_path: Path, attack: Attack) -> None:
    torch.save({'state_dict': {'w': torch.ones(1)}, 'meta': attack}, tmp_path / 'a.pth')
    with pytest.raises(UserError, match=r'a\.pth'):
        read_checkpoint(tmp_path / 'a.pth')


def test_no_error_advises_to_trust_a_file(tmp_path: Path) -> None:
    torch.save({'state_dict': {'w': torch.ones(1)}, 'meta': Attack(os.system, 'true')}, tmp_path / 'a.pth')
    (tmp_path / 'b.pth').write_bytes(pickle.dumps({'w': np.ones(3), 'x': Attack(os.system, 'true')}))
    for name in 'ab':
        with pytest.raises(UserError) as caught:
            read_checkpoint(tmp_path / f'{name}.pth')
        assert f'{name}.pth' in str(caught.value)
        assert not any(word in str(caught.value) for word in ('weights_only', 'add_safe_globals', 'you trust'))


def test_addresses_are_told_apart_by_more_than_the_file_name(served: tuple[str, Path]) -> None:
    address, folder = served
    for name, value in (('a', 1.0), ('b', 2.0)):
        (folder / name).mkdir()
        torch.save({'w': torch.tensor(value)}, folder / name / 'model.pth')
    assert [read_checkpoint(f'{address}/{name}/model.pth')['w'].item() for name in 'abab'] == [1, 2, 1, 2]
    (folder / 'a/model.pth').unlink()
    assert read_checkpoint(f'{address}/a/model.pth')['w'] == 1, 'kept'


def test_addresses_that_give_nothing(served: tuple[str, Path], tmp_path: Path) -> None:
    address, _ = served
    (tmp_path / 'folder.pth').mkdir()
    wrong = [f'{address}/gone.pth', 'http://127.0.0.1:9/x.pth', 's3://bucket/x.pth', 'pavi://x', 'torchvision://no']
    wrong += [(tmp_path / 'gone.pth').as_uri(), 'http://', str(tmp_path / 'folder.pth')]
    for source in wrong:
        with pytest.raises(UserError) as caught:
            read_checkpoint(source)
        assert source in str(caught.value)


def test_a_changed_byte_is_found(tmp_path: Path) -> None:
    path = tmp_path / 'a.pth'
    torch.save({'w': torch.ones(1000)}, path)
    assert is_whole(path)
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    assert not is_whole(path)
