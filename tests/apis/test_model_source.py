"""MODEL: what each form resolves to, and what each error says."""

import os
from pathlib import Path

import pytest
import torch
from mmengine.config import Config

from scaseg.apis.config import load_config
from scaseg.apis.model_source import resolve_model, split_model
from scaseg.errors import UserError


@pytest.fixture
def run(tmp_path: Path, config: Path) -> Path:
    """A run's folder as a training leaves it: the config, two checkpoints and the best one."""
    folder = tmp_path / 'run'
    folder.mkdir()
    cfg = load_config(config)
    cfg.update(launcher='none', work_dir=str(folder), experiment_name='tiny')  # as a run stores it
    cfg.dump(folder / 'tiny.py')
    for name, iteration in (('iter_3.pth', 3), ('iter_6.pth', 6), ('best_mIoU_iter_3.pth', 3)):
        torch.save({'state_dict': {}, 'meta': {'iter': iteration}}, folder / name)
    (folder / 'last_checkpoint').write_text(str(folder / 'iter_6.pth'))
    return folder


def test_run_gives_its_best_checkpoint_else_the_latest(run: Path) -> None:
    cfg, weights = resolve_model(run)
    assert cfg.model.decode_head.type == 'SCASegHead'
    assert weights == run / 'best_mIoU_iter_3.pth'
    weights.unlink()
    assert resolve_model(str(run))[1] == run / 'iter_6.pth'
    (run / 'iter_6.pth').write_bytes(b'killed while it was written')
    assert resolve_model(run)[1] == run / 'iter_3.pth'


def test_of_several_best_checkpoints_the_youngest_counts(run: Path) -> None:
    torch.save({'state_dict': {}}, run / 'best_mIoU_iter_6.pth')
    os.utime(run / 'best_mIoU_iter_3.pth', (0, 0))
    assert resolve_model(run)[1] == run / 'best_mIoU_iter_6.pth'


def test_a_named_checkpoint_is_taken(run: Path, config: Path) -> None:
    assert resolve_model(run, run / 'iter_3.pth')[1] == run / 'iter_3.pth'
    cfg, weights = resolve_model(config, run / 'iter_3.pth', {'model.decode_head.channels': 8})
    assert (cfg.filename, cfg.model.decode_head.channels) == (str(config), 8)
    assert weights == run / 'iter_3.pth'
    for path in run.glob('*.pth'):
        path.rename(run.parent / path.name)
    assert resolve_model(run, run.parent / 'iter_3.pth')[1] == run.parent / 'iter_3.pth'


def test_exported_model(tmp_path: Path, config: Path) -> None:
    folder = tmp_path / 'exported'
    folder.mkdir()
    Config(dict(load_config(config))).dump(folder / 'config.json')
    with pytest.raises(UserError, match=r'not a whole exported model: model.safetensors is missing'):
        resolve_model(folder)
    (folder / 'model.safetensors').touch()
    cfg, weights = resolve_model(folder)
    assert cfg.model.decode_head.type == 'SCASegHead'
    assert weights == folder / 'model.safetensors'


def test_errors_name_what_is_missing(run: Path, config: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'nowhere: no such file or folder'):
        resolve_model(tmp_path / 'nowhere')
    with pytest.raises(UserError, match=r'a config needs a checkpoint'):
        resolve_model(config)
    with pytest.raises(UserError, match=r"iter_3.pth holds weights alone: give the run's folder \(.*run\)"):
        resolve_model(run / 'iter_3.pth')
    with pytest.raises(UserError, match=r'iter_9.pth: no such checkpoint'):
        resolve_model(config, run / 'iter_9.pth')
    with pytest.raises(UserError, match=r'run holds several configs \(other.py, tiny.py\)'):
        (run / 'other.py').touch()
        resolve_model(run)
    (run / 'other.py').unlink()
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match=r"empty is not a run's folder \(it holds no config"):
        resolve_model(tmp_path / 'empty')
    config.unlink()
    with pytest.raises(UserError, match=r'folders in it that look like one: run'):
        resolve_model(tmp_path)
    for path in run.glob('*.pth'):
        path.unlink()
    with pytest.raises(UserError, match=r'run holds no checkpoint'):
        resolve_model(run)


def test_command_line_is_parted(run: Path, config: Path) -> None:
    assert split_model([str(run), 'a.png', 'b.png']) == (str(run), None, ['a.png', 'b.png'])
    assert split_model([str(config), 'iter_3.pth', 'a.png']) == (str(config), 'iter_3.pth', ['a.png'])
    assert split_model([str(config)]) == (str(config), None, [])
    assert split_model(['nowhere', 'a.png']) == ('nowhere', None, ['a.png'])
    with pytest.raises(UserError, match='MODEL is missing'):
        split_model([])
