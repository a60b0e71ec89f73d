"""A training that was cut off anywhere and resumed ends, bit for bit, where an undisturbed one does."""

import json
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.hooks import Hook
from mmseg.registry import HOOKS

from scaseg.apis import train
from scaseg.apis.checkpoint import find_resumable
from scaseg.apis.kill_and_resume import kill_and_resume
from scaseg.errors import Stopped, UserError
from scaseg.visualization import read_scalars
from scaseg.weights import read_checkpoint

from ..conftest import TINY_CONFIG

REPOSITORY = Path(__file__).parents[2]

# Dropout, stochastic depth, an average of weights, bfloat16 and cycles of two steps that checkpoints fall into.
HARD = """
model['backbone']['drop_path_rate'] = 0.3
model['decode_head']['dropout_ratio'] = 0.5
optim_wrapper = dict(accumulative_counts=2)
train_cfg['max_iters'] = 8
train_cfg['val_interval'] = 5
default_hooks['checkpoint'] = dict(interval=3)
custom_hooks = [dict(type='EMAHook', momentum=0.1)]
"""


@HOOKS.register_module()
class KillHook(Hook):
    """Ends the process, or what stands for it, at an iteration or in a validation."""

    priority = 'LOWEST'

    def __init__(self, at: int, where: str = 'train') -> None:
        self.at, self.where = at, where

    def after_train_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        if self.where == 'train' and runner.iter + 1 == self.at:
            raise ConnectionAbortedError('killed')

    def after_val_iter(self, runner: Any, *args: Any, **kwargs: Any) -> None:
        if self.where == 'val' and runner.iter == self.at:
            raise ConnectionAbortedError('killed')


@pytest.fixture(scope='module')
def hard(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('hard') / 'hard.py'
    path.write_text(TINY_CONFIG.format(repository=REPOSITORY) + HARD)
    return path


@pytest.fixture(scope='module')
def whole(hard: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The work folder of an undisturbed run."""
    folder = tmp_path_factory.mktemp('whole')
    train(hard, work_dir=folder)
    return folder


def killed(config: Path, folder: Path, at: int, where: str = 'train') -> None:
    hooks = [dict(type='EMAHook', momentum=0.1), dict(type='KillHook', at=at, where=where)]
    with pytest.raises(ConnectionAbortedError):
        train(config, work_dir=folder, resume='auto', options={'custom_hooks': hooks})


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, torch.Tensor):
        return torch.equal(a, b)
    if isinstance(a, dict):
        return set(a) == set(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return bool((a == b).all()) if hasattr(a, 'all') else a == b


def test_cut_off_four_times(hard: Path, whole: Path, tmp_path: Path) -> None:
    for at, where in ((2, 'train'), (4, 'train'), (5, 'val'), (8, 'val')):
        killed(hard, tmp_path, at, where)
    train(hard, work_dir=tmp_path, resume='auto')
    undisturbed, resumed = (read_checkpoint(folder / 'iter_8.pth') for folder in (whole, tmp_path))
    for part in ('state_dict', 'ema_state_dict', 'optimizer', 'param_schedulers'):
        assert equal(undisturbed[part], resumed[part]), part
    assert equal(undisturbed['run_state']['processes'], resumed['run_state']['processes'])
    scores = [checkpoint['message_hub']['runtime_info']['best_score'] for checkpoint in (undisturbed, resumed)]
    assert scores[0] == scores[1]
    for name in ('loss', 'lr'):
        curves = [dict(zip(*_points(folder, name), strict=True)) for folder in (whole, tmp_path)]
        assert curves[0] == curves[1]
    assert sorted(path.name for path in whole.glob('*.pth')) == sorted(path.name for path in tmp_path.glob('*.pth'))


def _points(folder: Path, name: str) -> tuple[list, list]:
    curve = read_scalars(folder).train[name]
    return curve.steps.tolist(), curve.values.tolist()


@pytest.fixture
def finished(config: Path, tmp_path: Path) -> Path:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    return tmp_path / 'run'


def test_the_newest_is_the_one_with_the_highest_iteration_inside(tmp_path: Path) -> None:
    for name, iteration in (('iter_40', 40), ('iter_30', 30), ('iter_99', 7)):
        torch.save(dict(meta=dict(iter=iteration), state_dict=dict(w=torch.ones(2))), tmp_path / f'{name}.pth')
    (tmp_path / 'iter_100.pth').mkdir()
    (tmp_path / 'iter_101.pth').write_bytes(b'PK')
    (tmp_path / 'last_checkpoint').write_bytes(b'\xff\xfe\x00')
    assert find_resumable(tmp_path) == tmp_path / 'iter_40.pth'


def test_a_used_folder_is_not_started_in(config: Path, tmp_path: Path, finished: Path) -> None:
    before = {path.name: path.read_bytes() for path in finished.glob('*.pth')}
    for options in (dict(seed=1), dict(resume=str(_copy(finished, tmp_path)))):
        with pytest.raises(UserError, match=r'holds checkpoints of another run .*--resume .*--work-dir'):
            train(config, work_dir=finished, **options)
    assert {path.name: path.read_bytes() for path in finished.glob('*.pth')} == before


def _copy(folder: Path, to: Path) -> Path:
    (to / 'copy.pth').write_bytes((folder / 'iter_3.pth').read_bytes())
    return to / 'copy.pth'


def change(*keys: str, to: Any) -> Any:
    def edit(checkpoint: dict) -> None:
        for key in keys[:-1]:
            checkpoint = checkpoint[key]
        if to is None:
            del checkpoint[keys[-1]]
        else:
            checkpoint[keys[-1]] = to

    return edit


def drop_group(checkpoint: dict) -> None:
    checkpoint['optimizer']['param_groups'].pop()


def other_optimizer(checkpoint: dict) -> None:
    for group in checkpoint['optimizer']['param_groups']:
        group['momentum'] = group.pop('betas')


def spoil(value: Any) -> Any:
    def edit(checkpoint: dict) -> None:
        weights = checkpoint['state_dict']['decode_head.conv_seg.weight']
        checkpoint['state_dict']['decode_head.conv_seg.weight'] = value(weights)

    return edit


FAULTS = {
    'meta': (change('meta', to=['x']), "its 'meta' is not a dict"),
    'iter': (change('meta', 'iter', to=None), 'does not say the iter'),
    'hub': (change('message_hub', to='x'), "its 'message_hub' is not a dict"),
    'scalars': (change('message_hub', 'log_scalars', to=[]), "no dict 'log_scalars'"),
    'groups': (change('optimizer', 'param_groups', to=None), 'no param_groups'),
    'dropped group': (drop_group, 'parameter groups'),
    'other optimiser': (other_optimizer, 'state of another optimiser'),
    'schedulers': (change('param_schedulers', to=dict(a=1)), 'is not a list'),
    'state': (change('state_dict', to=[1, 2]), 'no state dict|is not a dict'),
    'nan': (spoil(lambda x: x * float('nan')), 'holds nan or inf'),
    'integers': (spoil(lambda x: x.long()), r'torch\.int64 for torch\.float32'),
}


@pytest.mark.parametrize('name', FAULTS)
def test_what_cannot_be_resumed(config: Path, tmp_path: Path, made_once: Path, name: str) -> None:
    edit, message = FAULTS[name]
    checkpoint = torch.load(made_once, weights_only=False)
    edit(checkpoint)
    torch.save(checkpoint, tmp_path / 'iter_3.pth')
    with pytest.raises(UserError, match=message):
        train(config, work_dir=tmp_path / 'run', resume=str(tmp_path / 'iter_3.pth'))
    if name in ('nan', 'integers', 'state'):
        with pytest.raises(UserError, match=r'nan|int64|no state dict'):
            train(config, work_dir=tmp_path / 'other', options={'load_from': str(tmp_path / 'iter_3.pth')})


@pytest.fixture(scope='module')
def made_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('made')
    path = folder / 'tiny.py'
    path.write_text(TINY_CONFIG.format(repository=REPOSITORY))
    train(path, work_dir=folder / 'run', options={'train_cfg.max_iters': 3})
    return folder / 'run/iter_3.pth'


def test_a_config_in_a_checkpoint_is_not_run(config: Path, tmp_path: Path, made_once: Path) -> None:
    checkpoint = torch.load(made_once, weights_only=False)
    checkpoint['meta']['config'] = f"open({str(tmp_path / 'marker')!r}, 'w')"
    torch.save(checkpoint, tmp_path / 'iter_3.pth')
    train(config, work_dir=tmp_path / 'run', resume=str(tmp_path / 'iter_3.pth'), options={'train_cfg.max_iters': 4})
    assert not (tmp_path / 'marker').exists()


def test_a_changed_schedule_is_that_of_the_config(config: Path, tmp_path: Path, made_once: Path) -> None:
    longer = {'train_cfg.max_iters': 6, 'param_scheduler.0.end': 4, 'optim_wrapper.optimizer.lr': 1e-2}
    train(config, work_dir=tmp_path / 'whole', options=longer)
    train(config, work_dir=tmp_path / 'run', resume=str(made_once), options=longer)
    for folder in ('whole', 'run'):
        assert read_scalars(tmp_path / folder).train['lr'].steps[-1] == 6
    whole, resumed = (_points(tmp_path / folder, 'lr')[1][-3:] for folder in ('whole', 'run'))
    assert whole == resumed
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'was made by another config' in log and 'param_scheduler.0.end 100 -> 4' in log


def test_a_finished_training_says_so(config: Path, tmp_path: Path, made_once: Path) -> None:
    train(config, work_dir=tmp_path / 'run', resume=str(made_once), options={'train_cfg.max_iters': 3})
    assert 'this training is complete: 3 of 3' in next((tmp_path / 'run').glob('*/*.log')).read_text()


class TestSignals:
    @pytest.fixture(autouse=True)
    def handlers(self) -> Iterator[None]:
        before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
        yield
        found = signal.signal(signal.SIGINT, before)
        assert found is signal.default_int_handler, 'given back'

    @pytest.mark.parametrize('number, code', [(signal.SIGTERM, 75), (signal.SIGUSR1, 75), (signal.SIGINT, 130)])
    def test_the_step_is_finished_and_saved(self, config: Path, tmp_path: Path, number: int, code: int) -> None:
        hooks = [dict(type='SignalHook', at=2, number=int(number))]
        with pytest.raises(Stopped, match=r'iteration 2, saved in .*--resume') as caught:
            train(config, work_dir=tmp_path / 'run', options={'custom_hooks': hooks})
        assert caught.value.exit_code == code
        assert read_checkpoint(tmp_path / 'run' / 'iter_2.pth')['meta']['iter'] == 2

    def test_the_second_signal_ends_at_once(self, config: Path, tmp_path: Path) -> None:
        hooks = [dict(type='SignalHook', at=2, number=int(signal.SIGINT), times=2)]
        with pytest.raises(KeyboardInterrupt):
            train(config, work_dir=tmp_path / 'run', options={'custom_hooks': hooks})
        assert not list(tmp_path.glob('run/*.pth'))


@HOOKS.register_module()
class SignalHook(Hook):
    """Sends this process a signal within a step."""

    def __init__(self, at: int, number: int, times: int = 1) -> None:
        self.at, self.number, self.times = at, number, times

    def before_train_iter(self, runner: Any, batch_idx: int, data_batch: Any = None) -> None:
        if runner.iter + 1 == self.at:
            for _ in range(self.times):
                os.kill(os.getpid(), self.number)


@pytest.mark.slow
def test_three_kills_at_random(tmp_path: Path) -> None:
    kill_and_resume(kills=3, iterations=12, seed=0, work_dir=tmp_path / 'runs', result=tmp_path / 'result.json')
    result = json.loads((tmp_path / 'result.json').read_text())
    assert all(result['equal'].values())
    assert any(kill['hit'] for kill in result['kills'])
