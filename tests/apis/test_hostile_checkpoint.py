"""A checkpoint whose tensors fit and whose metadata ask for a call: at no door is it made."""

import subprocess
from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

from scaseg.apis import convert, train
from scaseg.apis import test as evaluate
from scaseg.apis.config import load_config
from scaseg.errors import UserError

from ..weights.test_checkpoint_file import Attack, served  # noqa: F401

SHORT = {'train_cfg.max_iters': 4}


@pytest.fixture
def hostile(config: Path, tmp_path: Path) -> tuple[Path, Path]:
    """The work folder with the checkpoint, and the file that must not come to be."""
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    marker, path = tmp_path / 'marker', tmp_path / 'run' / 'iter_3.pth'
    content = torch.load(path, weights_only=False)
    content['meta']['attacks'] = [
        Attack(subprocess.Popen, ['touch', str(marker)]),
        Attack(exec, f'open({str(marker)!r}, "w")'),
    ]
    torch.save(content, path)
    return tmp_path / 'run', marker


def test_no_door_makes_the_call(config: Path, tmp_path: Path, hostile: tuple, served: tuple) -> None:  # noqa: F811
    folder, marker = hostile
    path, (address, served_folder) = folder / 'iter_3.pth', served
    (served_folder / 'model.pth').write_bytes(path.read_bytes())
    remote = f'{address}/model.pth'
    assert evaluate(config, path, work_dir=tmp_path / 'test')['mIoU'] > 0
    assert evaluate(config, remote, work_dir=tmp_path / 'test')['mIoU'] > 0
    with pytest.raises(UserError, match='no official checkpoints are known'):
        convert(config, path, tmp_path / 'converted.pth')
    whole = load_config(config).model | dict(init_cfg=dict(type='Pretrained', checkpoint=path.as_uri()))
    MODELS.build(whole).init_weights()
    train(config, work_dir=tmp_path / 'started', options=SHORT | {'load_from': remote})
    train(config, work_dir=tmp_path / 'pretrained', options=SHORT | {'model.pretrained': str(path)})
    train(config, work_dir=tmp_path / 'resumed', resume=remote, options=SHORT)
    train(config, work_dir=folder, resume='auto', options=SHORT)
    assert not marker.exists()
    torch.load(path, weights_only=False)
    assert marker.exists(), 'a reader without limits makes the call'
