"""One number sets the length of a training; what is stated beside it stays."""

from pathlib import Path

import pytest
from mmengine.config import Config

from scaseg.apis.config import load_config
from scaseg.errors import UserError

REPOSITORY = Path(__file__).parents[2]
QUICKSTART = REPOSITORY / 'configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'


def schedule(cfg: Config) -> dict:
    times = [(scheduler.begin, scheduler.end) for scheduler in cfg.param_scheduler]
    train_cfg = cfg.train_cfg
    return dict(
        length=train_cfg.max_iters,
        val=train_cfg.val_interval,
        save=cfg.default_hooks.checkpoint.interval,
        times=times,
    )


def child(folder: Path, text: str, base: Path = QUICKSTART, name: str = 'child.py') -> Path:
    (folder / name).write_text(f"_base_ = '{base}'\n{text}\n")
    return folder / name


def test_an_option_stretches_the_schedule() -> None:
    found = schedule(load_config(QUICKSTART, {'max_iters': 300}))
    assert found == dict(length=300, val=60, save=60, times=[(0, 20), (20, 300)])


def test_what_the_options_state_stays() -> None:
    options = {'max_iters': 300, 'train_cfg.val_interval': 100, 'param_scheduler.0.end': 50}
    found = schedule(load_config(QUICKSTART, options))
    assert found == dict(length=300, val=100, save=60, times=[(0, 50), (20, 300)])


def test_a_child_stretches_what_its_base_states(tmp_path: Path) -> None:
    path = child(tmp_path, 'max_iters = 3000\ntrain_cfg = dict(val_interval=500)')
    assert schedule(load_config(path)) == dict(length=3000, val=500, save=600, times=[(0, 200), (200, 3000)])
    grandchild = child(tmp_path, 'max_iters = 1500', path, 'grandchild.py')
    assert schedule(load_config(grandchild)) == dict(length=1500, val=250, save=300, times=[(0, 100), (100, 1500)])
    found = schedule(load_config(grandchild, {'max_iters': 750}))
    assert found == dict(length=750, val=125, save=150, times=[(0, 50), (50, 750)])


def test_a_length_stated_the_long_way_stretches_nothing(tmp_path: Path) -> None:
    path = child(tmp_path, 'train_cfg = dict(max_iters=3000)')
    cfg = load_config(path)
    assert schedule(cfg) == dict(length=3000, val=300, save=300, times=[(0, 100), (100, 1500)])
    assert cfg.max_iters == 3000
    assert load_config(path, {'max_iters': 1500}).param_scheduler[1].end == 750


def test_a_list_of_schedulers_of_the_child_stays(tmp_path: Path) -> None:
    one = "max_iters = 300\nparam_scheduler = [dict(type='PolyLR', by_epoch=False, begin=0, end=max_iters)]"
    assert schedule(load_config(child(tmp_path, one))) == dict(length=300, val=60, save=60, times=[(0, 300)])


def test_a_warm_up_that_vanishes_is_left_out() -> None:
    assert schedule(load_config(QUICKSTART, {'max_iters': 3})) == dict(length=3, val=1, save=1, times=[(0, 3)])


def test_two_lengths() -> None:
    with pytest.raises(UserError, match=r'max_iters=9: train_cfg\.max_iters is set as well; give one'):
        load_config(QUICKSTART, {'max_iters': 9, 'train_cfg.max_iters': 8})


def test_a_training_by_epochs_has_no_iterations(tmp_path: Path) -> None:
    epochs = "train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2)"
    path = child(tmp_path, epochs + "\nparam_scheduler = [dict(type='PolyLR', end=2)]")
    with pytest.raises(UserError, match='EpochBasedTrainLoop counts no iterations'):
        load_config(path, {'max_iters': 9})
