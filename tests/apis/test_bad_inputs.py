"""Inputs that cannot be meant: each ends in one line that names the key or file, with nothing on disk changed.

Each was tried because it once trained in silence, or ended in a traceback.
"""

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from scaseg.apis import test as evaluate
from scaseg.apis import train
from scaseg.apis.cli import run_tool
from scaseg.apis.config import load_config
from scaseg.apis.outputs import check_folders, check_picture_names, prepare_pictures
from scaseg.errors import UserError

from ..conftest import TINY_CONFIG

REPOSITORY = Path(__file__).parents[2]
CLASSES = 10
FACTOR = 'expects a number of at least 0'


@pytest.fixture(scope='module')
def flat(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The tiny config in one file, which is read in a moment."""
    folder = tmp_path_factory.mktemp('flat')
    (folder / 'tiny.py').write_text(TINY_CONFIG.format(repository=REPOSITORY))
    cfg = load_config(folder / 'tiny.py')
    for variable in ('crop_size', 'dataset_type', 'num_classes', 'test_pipeline', 'train_pipeline', 'norm_cfg'):
        cfg.pop(variable, None)
    for variable in ('vis_backends', 'warmup_iters'):
        cfg.pop(variable, None)
    steps = [
        dict(type='RandomResize', scale=(96, 64), ratio_range=(0.5, 2.0), keep_ratio=True),
        dict(type='RandomCrop', crop_size=(64, 96), cat_max_ratio=0.75),
    ]
    load, *others = cfg.train_dataloader.dataset.pipeline
    cfg.train_dataloader.dataset.pipeline = [load, *steps, *others]
    cfg.model.test_cfg = dict(mode='slide', crop_size=(64, 64), stride=(32, 32))
    cfg.optim_wrapper.clip_grad = dict(max_norm=1.0, norm_type=2)
    cfg.dump(folder / 'flat.py')
    return folder / 'flat.py'


@contextlib.contextmanager
def refused(folder: Path, message: str) -> Iterator[None]:
    """What is inside ends in one line with this message, and leaves every file as it was."""
    before = {path: path.stat().st_mtime_ns for path in folder.rglob('*')}
    with pytest.raises(UserError, match=message) as caught:
        yield
    assert 'Traceback' not in str(caught.value)
    assert {path: path.stat().st_mtime_ns for path in folder.rglob('*')} == before


HEAD = 'model.decode_head'
LOSS = f'{HEAD}.loss_decode'
LOADER = 'train_dataloader'
STEPS = f'{LOADER}.dataset.pipeline'
OPTIMIZER = 'optim_wrapper.optimizer'
CHECKPOINT = 'default_hooks.checkpoint'
VALUES: list[tuple[str, Any, str]] = [
    # loops and schedules
    ('max_iters', 0, 'max_iters=0: Runner expects a number above 0'),
    ('max_iters', 'soon', "max_iters='soon': .* an integer"),
    ('max_iters', 1.5, 'max_iters=1.5: .* an integer'),
    ('train_cfg.max_iters', -5, 'train_cfg.max_iters=-5: IterBasedTrainLoop expects a number above 0'),
    ('train_cfg.max_iters', 0, 'a number above 0'),
    ('train_cfg.max_iters', '9', "train_cfg.max_iters='9': .* an integer"),
    ('train_cfg.val_interval', 0, 'train_cfg.val_interval=0: .* above 0'),
    ('train_cfg.val_interval', -1, 'train_cfg.val_interval=-1: .* above 0'),
    ('train_cfg.val_begin', -1, 'train_cfg.val_begin=-1: .* at least 0'),
    ('train_cfg.type', 'IterLoop', "train_cfg.type='IterLoop' is not registered"),
    ('train_cfg.type', 5, 'train_cfg.type=5 is not the name of a class'),
    ('train_cfg', 'iters', "train_cfg='iters': Runner expects a dict"),
    ('param_scheduler.0.end', 'soon', "param_scheduler.0.end='soon': LinearLR expects an integer"),
    ('param_scheduler.0.begin', -1, 'param_scheduler.0.begin=-1: LinearLR'),
    ('param_scheduler.0.start_factor', 0, 'param_scheduler.0.start_factor=0: .* above 0'),
    (
        'param_scheduler.1.by_epoch',
        True,
        r'1.by_epoch is True .* IterBasedTrainLoop counts iterations',
    ),
    ('param_scheduler.1.by_epoch', 'no', "by_epoch='no': PolyLR expects True or False"),
    ('param_scheduler.1.power', 'high', "param_scheduler.1.power='high': PolyLR expects a number"),
    ('param_scheduler.1.eta_min', -1.0, FACTOR),
    ('param_scheduler', [1.5], r'param_scheduler.0=1.5: Runner expects a dict'),
    ('param_scheduler', 5, 'param_scheduler=5: Runner expects a dict or a list'),
    (f'{CHECKPOINT}.interval', 0, r'default_hooks.checkpoint.interval=0: RunCheckpointHook expects -1 or .* above 0'),
    (f'{CHECKPOINT}.interval', 'often', "interval='often': RunCheckpointHook expects -1 or an integer"),
    (f'{CHECKPOINT}.by_epoch', True, 'checkpoint.by_epoch is True .* counts iterations'),
    (f'{CHECKPOINT}.max_keep_ckpts', 'two', "max_keep_ckpts='two': .* an integer"),
    ('default_hooks.logger.interval', 0, 'logger.interval=0: .* above 0'),
    ('default_hooks.logger', 5, 'default_hooks.logger=5: Runner expects a dict'),
    ('default_hooks', 5, 'default_hooks=5: Runner expects a dict'),
    ('custom_hooks', [5], 'custom_hooks.0=5: Runner expects a dict'),
    # optimiser
    (f'{OPTIMIZER}.lr', -1, 'optim_wrapper.optimizer.lr=-1: AdamW'),
    (f'{OPTIMIZER}.lr', 'fast', "lr='fast': AdamW expects a number"),
    (f'{OPTIMIZER}.lr', float('nan'), 'lr=nan: AdamW expects a finite number'),
    (f'{OPTIMIZER}.lr', True, 'lr=True: AdamW expects a number'),
    (f'{OPTIMIZER}.weight_decay', -0.1, 'weight_decay=-0.1: AdamW'),
    (f'{OPTIMIZER}.betas', [0.9], r'betas=\[0.9\]: AdamW expects one more entry'),
    (f'{OPTIMIZER}.betas', [0.9, 1.0], 'betas.1=1.0: AdamW expects a number below 1'),
    (OPTIMIZER, dict(_delete_=True, type='SGD', lr=0.1), 'weight_decay is missing, which .* norm_decay_mult'),
    (f'{OPTIMIZER}.type', 'AdamX', "optimizer.type='AdamX' is not registered"),
    ('optim_wrapper.clip_grad.max_norm', 'a', "clip_grad.max_norm='a': clip_grad expects a number"),
    ('optim_wrapper.clip_grad.max_norm', 0, 'clip_grad.max_norm=0: .* above 0'),
    ('optim_wrapper.accumulative_counts', 'two', "accumulative_counts='two': OptimWrapper expects an integer"),
    ('optim_wrapper.paramwise_cfg', 1, 'paramwise_cfg=1: OptimWrapper expects a dict'),
    (OPTIMIZER, -0.5, 'optim_wrapper.optimizer=-0.5: OptimWrapper expects a dict'),
    ('optim_wrapper', 5, 'optim_wrapper=5: Runner expects a dict'),
    # model
    ('model', 'x', "model='x': Runner expects a dict"),
    ('model', [1], r'model=\[1\]: Runner expects a dict'),
    ('model.type', 5, 'model.type=5 is not the name of a class'),
    ('model.backbone', True, 'model.backbone=True: LeanEncoderDecoder expects a dict'),
    ('model.backbone.out_indices', 'all', "out_indices='all': TIMMFeatures expects a list"),
    ('model.pretrained', 5, 'model.pretrained=5: LeanEncoderDecoder expects a string'),
    ('model.auxiliary_head', 'x', "auxiliary_head='x': LeanEncoderDecoder expects a dict"),
    ('model.data_preprocessor', 3, 'data_preprocessor=3: LeanEncoderDecoder expects a dict'),
    ('model.data_preprocessor.std', [0, 0, 0], r'std.0=0: SegDataPreProcessor expects a number above 0'),
    ('model.data_preprocessor.std', [1.0], r'std=\[1.0\]: .* a list of at least 3 items'),
    ('model.data_preprocessor.mean', 'imagenet', "mean='imagenet': .* a list"),
    ('model.data_preprocessor.size', (0, 64), 'size.0=0: .* above 0'),
    ('model.data_preprocessor.size_divisor', 32, 'data_preprocessor: size and size_divisor both'),
    ('model.data_preprocessor.seg_pad_val', 0, r'ignore_index=255, but pixels without a label are 0 .*seg_pad_val'),
    ('model.test_cfg.crop_size', (0, 0), 'model.test_cfg.crop_size.0=0: test_cfg expects a number above 0'),
    ('model.test_cfg.stride', 32, 'model.test_cfg.stride=32: test_cfg expects a list'),
    ('model.test_cfg.mode', 'tiled', "test_cfg.mode='tiled': test_cfg expects 'whole' or 'slide'"),
    (HEAD, 5, 'model.decode_head=5: LeanEncoderDecoder expects a dict'),
    (f'{HEAD}.align_corners', 'no', "align_corners='no': SCASegHead expects True or False"),
    (f'{HEAD}.channels', 0, 'channels=0: SCASegHead'),
    (f'{HEAD}.dropout_ratio', 1.0, 'dropout_ratio=1.0: SCASegHead .* below 1'),
    ('model.backbone.drop_path_rate', -1, f'drop_path_rate=-1: TIMMFeatures {FACTOR}'),
    (f'{HEAD}.ignore_index', 100, r'ignore_index=100, but pixels without a label are 255 .*both must be the same'),
    (f'{HEAD}.ignore_index', 'sky', "ignore_index='sky': SCASegHead expects an integer"),
    (f'{HEAD}.in_channels', [8, 'x', 24], "in_channels.1='x': SCASegHead"),
    (f'{HEAD}.norm_cfg', 'BN', "norm_cfg='BN': SCASegHead expects a dict"),
    (f'{HEAD}.num_classes', -1, 'num_classes=-1: SCASegHead'),
    (f'{HEAD}.num_heads', [0, 2, 4], 'num_heads.0=0: SCASegHead'),
    (LOSS, 'CrossEntropyLoss', "loss_decode='CrossEntropyLoss': SCASegHead expects a dict"),
    (f'{LOSS}.type', ['CrossEntropyLoss'], 'loss_decode.type=.* is not the name of a class'),
    (f'{LOSS}.loss_weight', 'heavy', "loss_weight='heavy': BandedCrossEntropyLoss expects a number"),
    (f'{LOSS}.loss_weight', -1.0, f'loss_weight=-1.0: BandedCrossEntropyLoss {FACTOR}'),
    (f'{LOSS}.class_weight', [1.0, 2.0], r'class_weight has 2 entries, model.decode_head.num_classes is 10'),
    (f'{LOSS}.class_weight', [-1.0] * CLASSES, f'class_weight.0=-1.0: BandedCrossEntropyLoss {FACTOR}'),
    (f'{LOSS}.class_weight', 2.0, 'class_weight=2.0: BandedCrossEntropyLoss expects a list'),
    # data
    (LOADER, 5, 'train_dataloader=5: Runner expects a dict'),
    (f'{LOADER}.batch_size', None, 'train_dataloader.batch_size=None: DataLoader expects an integer'),
    (f'{LOADER}.batch_size', 0, 'batch_size=0: DataLoader expects a number above 0'),
    (f'{LOADER}.batch_size', '2', "batch_size='2': DataLoader expects an integer"),
    (f'{LOADER}.num_workers', -1, 'num_workers=-1: DataLoader'),
    (f'{LOADER}.num_workers', True, 'num_workers=True: DataLoader expects an integer'),
    (f'{LOADER}.sampler', 1, 'sampler=1: DataLoader expects a dict'),
    (f'{LOADER}.sampler.shuffle', 'yes', "shuffle='yes': InfiniteSampler expects True or False"),
    (f'{LOADER}.dataset', 'ade', "train_dataloader.dataset='ade': DataLoader expects a dict"),
    (f'{LOADER}.dataset.size', -1, 'dataset.size=-1: ToyScenes'),
    (f'{LOADER}.dataset.image_size', 'big', "image_size='big': ToyScenes expects a list"),
    (STEPS, 'usual', "pipeline='usual': ToyScenes expects a list"),
    (f'{STEPS}.1.scale', (0, 0), 'pipeline.1.scale.0=0: RandomResize'),
    (f'{STEPS}.1.ratio_range', (0.5,), r'pipeline.1.ratio_range=.*: RandomResize expects one more entry'),
    (f'{STEPS}.2.crop_size', (64, -1), 'pipeline.2.crop_size.1=-1: RandomCrop'),
    (f'{STEPS}.2.cat_max_ratio', 2.0, 'pipeline.2.cat_max_ratio=2.0: RandomCrop .* at most 1'),
    (f'{STEPS}.4.prob', 'half', "pipeline.4.prob='half': RandomFlip expects a number"),
    (f'{STEPS}.4.prob', 1.5, 'pipeline.4.prob=1.5: RandomFlip .* at most 1'),
    ('data', 5, 'data=5: expected the folder'),
    ('val_evaluator', 'x', "val_evaluator='x': Runner expects a dict or a list"),
    ('val_evaluator.class_table', 'no', "class_table='no': ConfusionMetric expects True or False"),
    ('val_evaluator.ignore_index', 'x', "val_evaluator.ignore_index='x': ConfusionMetric expects an integer"),
    # the rest
    ('channels_last', 'no', "channels_last='no': Runner expects True or False"),
    ('fold_conv_bn', 1, 'fold_conv_bn=1: Runner expects True or False'),
    ('recompute_activations', 3, 'recompute_activations=3: Runner expects'),
    ('compile', 'fast', "compile='fast': Runner expects True or False or a dict"),
    ('randomness.seed', 'x', "randomness.seed='x': randomness expects an integer"),
    ('randomness.deterministic', 'yes', "deterministic='yes': randomness expects True or False"),
    ('env_cfg', 3, 'env_cfg=3: Runner expects a dict'),
    ('env_cfg.mp_cfg.mp_start_method', 'thread', "mp_start_method='thread': mp_cfg expects 'fork'"),
    ('load_from', 5, 'load_from=5: Runner expects a string'),
    ('resume', 'yes', "resume='yes': Runner expects True or False"),
    ('work_dir', 5, 'work_dir=5: Runner expects a string'),
    ('default_scope', 5, 'default_scope=5: Runner expects a string'),
    ('log_level', 5, 'log_level=5: Runner expects a string'),
    ('launcher', 5, 'launcher=5: Runner expects a string'),
    ('visualizer', 5, 'visualizer=5: Runner expects a dict'),
    ('runner_type', 'QuietRuner', "runner_type='QuietRuner' is not registered; did you mean 'QuietRunner'"),
    ('tta_model', 5, 'tta_model=5: Runner expects a dict'),
    ('auto_scale_lr', 5, 'auto_scale_lr=5: Runner expects a dict'),
]


@pytest.mark.parametrize('key, value, message', VALUES, ids=[f'{key}={value}' for key, value, _ in VALUES])
def test_a_value_that_cannot_be_meant(flat: Path, key: str, value: Any, message: str) -> None:
    with refused(flat.parent, rf'flat\.py: .*{message}'):
        load_config(flat, {key: value})


def test_an_option_that_cannot_be_merged(flat: Path) -> None:
    with refused(flat.parent, r'--cfg-options model\.data_preprocessor\.mean\.1: .*flat\.py'):
        load_config(flat, {'model.data_preprocessor.mean.1': {'type': 'x'}})


def test_an_endless_epoch(flat: Path) -> None:
    options = {'train_cfg': dict(_delete_=True, by_epoch=True, max_epochs=2)}
    with refused(flat.parent, r"sampler.type='InfiniteSampler' never ends an epoch, .*'DefaultSampler'"):
        load_config(flat, options)


@pytest.mark.parametrize(
    'options, key',
    [
        ({'model.decode_head.num_heads': [1, 3, 4]}, 'model.decode_head: ValueError: .*num_heads'),
        ({'model.decode_head.act_cfg': dict(type='ReLU', inplace=5, slope=1)}, 'model.decode_head'),
        ({'model.backbone.depths': (1, 1)}, 'model.backbone: '),
        ({'train_dataloader.dataset.pipeline.3': dict(type='RandomRotate', prob=0.5, degree=-1)}, 'pipeline.3: '),
        ({'train_dataloader.dataset.image_size': (2, 2)}, 'train_dataloader.dataset: '),
        (
            {'optim_wrapper.optimizer': dict(_delete_=True, type='SGD', lr=0.1, weight_decay=0.0, nesterov=True)},
            'optim_wrapper.optimizer: ValueError',
        ),
        ({'default_hooks.checkpoint.rule': 'best'}, 'default_hooks.checkpoint: '),
        (
            {'param_scheduler.0.end': 100, 'param_scheduler.0.begin': 100},
            'param_scheduler.0: ValueError',
        ),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_what_fails_while_it_is_built_names_its_key(flat: Path, tmp_path: Path, options: dict, key: str) -> None:
    with pytest.raises(UserError, match=key) as caught:
        train(flat, work_dir=tmp_path / 'run', options=options)
    assert 'Traceback' not in str(caught.value)


@pytest.fixture
def photos(flat: Path, tmp_path: Path) -> Config:
    """The tiny config on two images with the same name in two folders, and a link to them."""
    for folder in ('a', 'b'):
        for kind in ('images', 'labels'):
            (tmp_path / 'data' / kind / folder).mkdir(parents=True)
        Image.fromarray(np.zeros((64, 64, 3), np.uint8)).save(tmp_path / f'data/images/{folder}/one.png')
        Image.fromarray(np.zeros((64, 64), np.uint8)).save(tmp_path / f'data/labels/{folder}/one.png')
    (tmp_path / 'link').symlink_to(tmp_path / 'data/images')
    dataset = dict(
        type='BaseSegDataset',
        data_root=str(tmp_path / 'data'),
        data_prefix=dict(img_path='images', seg_map_path='labels'),
        img_suffix='.png',
        metainfo=dict(classes=tuple('abcdefghij'), palette=[[i, i, i] for i in range(10)]),
        pipeline=[dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='PackSegInputs')],
    )
    cfg = load_config(flat)
    cfg.test_dataloader.dataset = dataset
    cfg.dump(tmp_path / 'photos.py')
    return load_config(tmp_path / 'photos.py')


@pytest.mark.parametrize('flag', ['--out', '--show-dir', '--figure'])
@pytest.mark.parametrize('folder', ['data/labels', 'data/images/a', 'link'])
def test_nothing_is_written_where_data_lie(photos: Config, tmp_path: Path, flag: str, folder: str) -> None:
    with refused(tmp_path, rf'{flag}=.*{folder}: the data of test_dataloader\.dataset\.data_prefix\.\w+ lie in'):
        check_folders(photos, {flag: tmp_path / folder})


@pytest.mark.parametrize('key', ['work_dir', 'test_evaluator.output_dir', 'test_evaluator.matrix_dir'])
def test_nor_do_keys_of_the_config(photos: Config, tmp_path: Path, key: str) -> None:
    photos.merge_from_dict({key: str(tmp_path / 'data/images')})
    with refused(tmp_path, rf'{key}.*: the data of .* name a folder outside of it'):
        check_folders(photos)


def test_pictures_of_two_kinds_in_one_folder(tmp_path: Path) -> None:
    with refused(tmp_path, r'--out and --show-dir are both .* name two folders'):
        prepare_pictures(tmp_path / 'out', tmp_path / 'out', None)


def test_a_photograph_in_the_way(photos: Config, tmp_path: Path) -> None:
    (tmp_path / 'out/a').mkdir(parents=True)
    Image.new('RGB', (4, 4)).save(tmp_path / 'out/a/one.png')
    with refused(tmp_path, r'out/a/one\.png exists and was not written by scaseg'):
        prepare_pictures(None, None, tmp_path / 'out/a/one.png')
    with refused(tmp_path, r'out/a/one\.png exists and was not written by scaseg'):
        evaluate(tmp_path / 'photos.py', tmp_path / 'none.pth', tmp_path.parent / 'run', out=tmp_path / 'out')


def test_two_images_with_one_name() -> None:
    class Twins:
        data_prefix = dict(img_path='/images')

        def __len__(self) -> int:
            return 2

        def get_data_info(self, index: int) -> dict:
            return dict(img_path=f'/images/one.{("jpg", "png")[index]}')

    with pytest.raises(UserError, match=r'--out: .*/one\.jpg and .*/one\.png would both be saved as one\.png'):
        check_picture_names(Twins(), {'--out': 'out'})


def test_a_work_folder_with_the_config_itself(flat: Path) -> None:
    with refused(flat.parent, r'--work-dir=.*flat\.py lies there, which no run wrote'):
        train(flat, work_dir=flat.parent)


def test_a_tool_prints_the_line_and_exits_with_2(flat: Path, capsys: pytest.CaptureFixture) -> None:
    def tool() -> None:
        load_config(flat, {'model': 'x'})

    check: Callable[[], None] = tool
    with pytest.raises(SystemExit) as caught:
        run_tool(check)
    assert caught.value.code == 2
    assert capsys.readouterr().err == f"error: {flat}: model='x': Runner expects a dict\n"
