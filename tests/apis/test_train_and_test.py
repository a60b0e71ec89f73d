"""Training and evaluation from end to end, on scenes that need no files."""

import json
import os
import signal
import subprocess
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.runner import ValLoop
from PIL import Image

from scaseg.apis import test as evaluate
from scaseg.apis import train
from scaseg.apis.checkpoint import find_resumable
from scaseg.datasets import ToyScenes
from scaseg.errors import UserError
from scaseg.visualization import read_scalars

REPOSITORY = Path(__file__).parents[2]


def weights(work_dir: Path, iteration: int) -> dict[str, torch.Tensor]:
    return torch.load(work_dir / f'iter_{iteration}.pth', weights_only=False)['state_dict']


def test_training_leaves_checkpoints_and_logs(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run')
    names = {path.name for path in (tmp_path / 'run').glob('*.pth')}
    assert {'iter_3.pth', 'iter_6.pth'} <= names
    assert len([name for name in names if name.startswith('best_mIoU')]) == 1
    scalars = read_scalars(tmp_path / 'run')
    assert scalars.train['loss'].steps.tolist() == [1, 2, 3, 4, 5, 6]
    assert scalars.val['mIoU'].steps.tolist() == [3, 6]
    log = next((tmp_path / 'run').glob('*/*.log')).read_text()
    assert 'paramwise_options' not in log
    assert 'Name of parameter' not in log


def test_the_seed_decides_the_result(config: Path, tmp_path: Path) -> None:
    for name, seed in (('a', 1), ('b', 1), ('c', 2)):
        train(config, work_dir=tmp_path / name, seed=seed, options={'train_cfg.max_iters': 3})
    first, same, other = (weights(tmp_path / name, 3)['decode_head.conv_seg.weight'] for name in 'abc')
    assert torch.equal(first, same)
    assert not torch.equal(first, other)


def test_a_resumed_training_ends_where_an_unbroken_one_does(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'whole')
    train(config, work_dir=tmp_path / 'halves', options={'train_cfg.max_iters': 3})
    train(config, work_dir=tmp_path / 'halves', resume='auto')
    whole, halves = weights(tmp_path / 'whole', 6), weights(tmp_path / 'halves', 6)
    for name, tensor in whole.items():
        assert torch.equal(halves[name], tensor), name
    assert read_scalars(tmp_path / 'halves').train['loss'].steps.tolist() == [1, 2, 3, 4, 5, 6]


def test_an_epoch_is_resumed_in_its_middle(config: Path, tmp_path: Path) -> None:
    loop = "train_cfg = dict(_delete_=True, type='EpochBasedTrainLoop', max_epochs=2, val_interval=2)"
    sampler = "train_dataloader['sampler'] = dict(type='DefaultSampler')"
    config.write_text(f'{config.read_text()}\n{loop}\n{sampler}')
    train(config, work_dir=tmp_path / 'whole')
    middle = str(tmp_path / 'whole' / 'iter_6.pth')  # of two epochs of 4 iterations
    train(config, work_dir=tmp_path / 'rest', options={'train_dataloader.num_workers': 2}, resume=middle)
    whole, rest = weights(tmp_path / 'whole', 8), weights(tmp_path / 'rest', 8)
    for name, tensor in whole.items():
        assert torch.equal(rest[name], tensor), name


@pytest.mark.parametrize('damage', ['cut off', 'overwritten'])
def test_resume_passes_over_a_damaged_checkpoint(config: Path, tmp_path: Path, damage: str) -> None:
    train(config, work_dir=tmp_path / 'run')
    last = tmp_path / 'run' / 'iter_6.pth'
    whole = last.read_bytes()
    middle = len(whole) // 2
    last.write_bytes(whole[:1000] if damage == 'cut off' else whole[:middle] + bytes(5000) + whole[middle + 5000 :])
    assert find_resumable(tmp_path / 'run') == tmp_path / 'run' / 'iter_3.pth'
    train(config, work_dir=tmp_path / 'run', resume='auto')
    assert 'decode_head.conv_seg.weight' in weights(tmp_path / 'run', 6)


def test_no_whole_checkpoint_is_not_the_same_as_none(tmp_path: Path) -> None:
    assert find_resumable(tmp_path) is None
    (tmp_path / 'iter_3.pth').write_bytes(b'PK')
    with pytest.raises(UserError, match=r'all checkpoints are damaged \(iter_3\.pth\)'):
        find_resumable(tmp_path)


def test_resuming_elsewhere_leaves_the_first_run_alone(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'first', options={'train_cfg.max_iters': 3})
    before = sorted(path.name for path in (tmp_path / 'first').iterdir())
    longer = {'train_cfg.max_iters': 9, 'optim_wrapper.optimizer.lr': 1e-2}
    train(config, work_dir=tmp_path / 'second', resume=str(tmp_path / 'first/iter_3.pth'), options=longer)
    assert sorted(path.name for path in (tmp_path / 'first').iterdir()) == before


def test_a_loss_that_is_not_finite_ends_the_training(config: Path, tmp_path: Path) -> None:
    options = {'optim_wrapper.optimizer.lr': 1e30, 'param_scheduler.0.start_factor': 1.0}
    with pytest.raises(
        UserError, match=r'iteration [23]: the loss is not finite .* first module .* is (backbone|decode_head)'
    ):
        train(config, work_dir=tmp_path / 'run', options=options)


def test_a_validation_that_was_cut_off_is_made_up_for(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as stopped:
        stopped.setattr(ValLoop, 'run', interrupt)
        with pytest.raises(KeyboardInterrupt):
            train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    assert not list((tmp_path / 'run').glob('best_*'))
    train(config, work_dir=tmp_path / 'run', resume='auto', options={'train_cfg.max_iters': 3})
    assert read_scalars(tmp_path / 'run').val['mIoU'].steps.tolist() == [3]
    assert (tmp_path / 'run' / 'best_mIoU_iter_3.pth').is_file()


def test_resume_auto_starts_where_there_is_nothing(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', resume='auto', options={'train_cfg.max_iters': 3})
    assert (tmp_path / 'run' / 'iter_3.pth').is_file()


def test_resume_and_load_from_of_a_config_are_honoured(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    train(config, work_dir=tmp_path / 'run', options={'resume': True})
    assert read_scalars(tmp_path / 'run').train['loss'].steps.tolist() == [1, 2, 3, 4, 5, 6]
    source = str(tmp_path / 'run' / 'iter_6.pth')
    frozen = {'load_from': source, 'optim_wrapper.optimizer.lr': 0.0, 'train_cfg.max_iters': 3}
    train(config, work_dir=tmp_path / 'tuned', options=frozen)
    tuned, loaded = weights(tmp_path / 'tuned', 3), weights(tmp_path / 'run', 6)
    assert torch.equal(tuned['decode_head.conv_seg.weight'], loaded['decode_head.conv_seg.weight'])


def test_resume_auto_keeps_the_weights_to_start_from(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    source = str(tmp_path / 'run' / 'iter_3.pth')
    frozen = {'load_from': source, 'optim_wrapper.optimizer.lr': 0.0, 'train_cfg.max_iters': 3}
    train(config, work_dir=tmp_path / 'tuned', resume='auto', options=frozen)
    name = 'decode_head.conv_seg.weight'
    assert torch.equal(weights(tmp_path / 'tuned', 3)[name], weights(tmp_path / 'run', 3)[name])


def test_resume_refuses_another_model(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    with pytest.raises(UserError, match=r'iter_3\.pth cannot be resumed with this model: .*local_perception'):
        train(
            config, work_dir=tmp_path / 'run', resume='auto', options={'model.decode_head.block.local.kernel_size': 5}
        )


def test_weights_alone_cannot_be_resumed(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    best = next((tmp_path / 'run').glob('best_*.pth'))
    with pytest.raises(UserError, match=r'best_mIoU_iter_3\.pth cannot be resumed, it holds weights alone'):
        train(config, work_dir=tmp_path / 'other', resume=str(best))


def test_evaluation_gives_the_figures_of_the_training_and_files(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run')
    stated = read_scalars(tmp_path / 'run').val['mIoU'].values[-1]
    outputs = dict(out=tmp_path / 'out', show_dir=tmp_path / 'show', figure=tmp_path / 'figure.png')
    metrics = evaluate(config, tmp_path / 'run' / 'iter_6.pth', work_dir=tmp_path / 'test', **outputs)
    assert metrics['mIoU'] == stated
    assert json.loads(next((tmp_path / 'test').glob('*/*.json')).read_text())['mIoU'] == stated
    labels = [np.array(Image.open(path)) for path in sorted((tmp_path / 'out').glob('*.png'))]
    assert [label.shape for label in labels] == [(64, 96)] * 3
    assert max(label.max() for label in labels) < 10
    assert len(list((tmp_path / 'show').glob('*.png'))) == 3
    assert Image.open(tmp_path / 'figure.png').width > 900


def test_a_test_leaves_the_config_of_the_training_alone(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    dumped = tmp_path / 'run' / 'tiny.py'
    before = dumped.read_text()
    evaluate(dumped, tmp_path / 'run' / 'iter_3.pth', work_dir=tmp_path / 'run')
    assert dumped.read_text() == before


def test_wrapped_data_sets_batches_and_several_evaluators(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    with config.open('a') as file:
        file.write(
            "leaf = {**_base_.test_dataloader['dataset'], 'size': 3, 'image_size': crop_size}\n"
            "test_dataloader['dataset'] = dict(_delete_=True, type='ConcatDataset', datasets=[leaf])\n"
            "test_dataloader['batch_size'] = 3\n"
            "test_evaluator = [dict(type='ConfusionMetric', prefix=name) for name in 'ab']\n"
        )
    outputs = dict(out=tmp_path / 'out', show_dir=tmp_path / 'show')
    metrics = evaluate(config, tmp_path / 'run' / 'iter_3.pth', work_dir=tmp_path / 'test', tta=True, **outputs)
    assert metrics['a/mIoU'] == metrics['b/mIoU']
    assert len(list((tmp_path / 'show').glob('*.png'))) == len(list((tmp_path / 'out').glob('*.png'))) == 3


def test_classes_in_another_order_are_told(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    names = ToyScenes.METAINFO['classes']
    swapped = {'test_dataloader.dataset.metainfo': dict(classes=(names[1], names[0], *names[2:]))}
    evaluate(config, tmp_path / 'run' / 'iter_3.pth', work_dir=tmp_path / 'test', options=swapped)
    log = next((tmp_path / 'test').glob('*/*.log')).read_text()
    assert 'other classes, or another order of them' in log


def test_two_evaluations_agree_and_test_time_augmentation_runs(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    checkpoint = tmp_path / 'run' / 'iter_3.pth'
    first, again = (evaluate(config, checkpoint, work_dir=tmp_path / name) for name in 'ab')
    flipped = evaluate(config, checkpoint, work_dir=tmp_path / 'c', tta=True, figure=tmp_path / 'tta.png')
    assert first == again
    assert flipped['mIoU'] != first['mIoU']
    assert (tmp_path / 'tta.png').is_file()


def interrupt(*args: object) -> None:
    raise KeyboardInterrupt


def run_distributed(*arguments: object) -> str:
    environment = os.environ | {'PATH': f'{Path(sys.executable).parent}:{os.environ["PATH"]}', 'OMP_NUM_THREADS': '1'}
    command = ['bash', *map(str, arguments)]
    done = subprocess.run(command, cwd=REPOSITORY, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout + done.stderr


def test_two_processes_train_and_test_on_the_cpu(config: Path, tmp_path: Path) -> None:
    """dist_train.sh with SyncBN in the config: it becomes BN, with one line that says so."""
    text = config.read_text().replace('channels=16)', "channels=16, norm_cfg=dict(type='SyncBN'))")
    config.write_text(text)
    output = run_distributed('tools/dist_train.sh', config, '2', '--work-dir', tmp_path / 'a run')
    assert output.count('SyncBN layers work as BN') == 1
    checkpoint = tmp_path / 'a run' / 'iter_6.pth'
    run_distributed('tools/dist_test.sh', config, checkpoint, '2', '--work-dir', tmp_path / 'two')
    alone = evaluate(config, checkpoint, work_dir=tmp_path / 'one')
    together = json.loads(next((tmp_path / 'two').glob('*/*.json')).read_text())
    assert {name: together[name] for name in alone} == alone  # three images over two processes


@pytest.mark.parametrize('how', [signal.SIGINT, signal.SIGKILL], ids=['Ctrl-C', 'kill'])
def test_an_interrupted_training_can_be_resumed(config: Path, tmp_path: Path, how: signal.Signals) -> None:
    command = [sys.executable, 'tools/train.py', str(config), '--work-dir', str(tmp_path / 'run')]
    process = subprocess.Popen(
        [*command, '--cfg-options', 'train_cfg.max_iters=100000', 'train_cfg.val_interval=100000'],
        cwd=REPOSITORY,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),  # a shell's background job ignores Ctrl-C
    )
    try:
        deadline = time.monotonic() + 120
        while not list((tmp_path / 'run').glob('iter_*.pth')) and time.monotonic() < deadline:
            time.sleep(0.1)
        process.send_signal(how)
        _, errors = process.communicate(timeout=60)
    finally:
        process.kill()
    if how == signal.SIGINT:
        assert process.returncode == 130
        assert 'Traceback' not in errors
    reached = max(int(path.stem.removeprefix('iter_')) for path in (tmp_path / 'run').glob('iter_*.pth'))
    train(config, work_dir=tmp_path / 'run', resume='auto', options={'train_cfg.max_iters': reached + 3})
    assert (tmp_path / 'run' / f'iter_{reached + 3}.pth').is_file()
