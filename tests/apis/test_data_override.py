"""--data and data = '…': another data set under a config, from a training to its scores."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.config import Config
from PIL import Image

from scaseg.apis import test as evaluate
from scaseg.apis import train
from scaseg.apis.checks import check_data
from scaseg.apis.class_weights import apply_class_weights
from scaseg.apis.cli import config_options, config_parser
from scaseg.apis.config import load_config
from scaseg.errors import UserError

REPOSITORY = Path(__file__).parents[2]
LABELS = ([0, 7], [0, 7, 700])  # of train and val: the values of three classes


@pytest.fixture
def farm(tmp_path: Path) -> Path:
    """Photographs' stand-ins: what is bright is of one class, what is dark of another; sizes differ."""
    root = tmp_path / 'farm'
    rng = np.random.default_rng(0)
    for split, values in zip(('train', 'val'), LABELS, strict=True):
        for folder in ('images', 'masks'):
            (root / folder / split).mkdir(parents=True)
        for number in range(3):
            labels = np.sort(rng.choice(values, (70 + 9 * number, 90)).astype(np.uint16))
            image = np.clip(labels[..., None] // 3 + rng.integers(0, 20, (*labels.shape, 3)), 0, 255)
            Image.fromarray(image.astype(np.uint8)).save(root / f'images/{split}/{number}.jpg')
            Image.fromarray(labels).save(root / f'masks/{split}/{number}.png')
    return root


def test_a_config_learns_a_folder_and_is_scored_on_it(config: Path, farm: Path, tmp_path: Path) -> None:
    data = {'data': str(farm)}
    small = {'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2, 'default_hooks.checkpoint.interval': 2}
    model = train(config, work_dir=tmp_path / 'run', options=data | small)
    assert model.decode_head.num_classes == 3
    dumped = Config.fromfile(str(next((tmp_path / 'run').glob('*.py'))))
    assert 'data' not in dumped  # what is left of it reads the folder, and a prediction needs none
    assert dumped.train_dataloader.dataset.type == 'FolderDataset'
    scores = evaluate(config, tmp_path / 'run/iter_2.pth', work_dir=tmp_path / 'test', options=data)
    assert 0 <= scores['mIoU'] <= 100


@pytest.mark.parametrize(
    'name',
    [
        'scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py',
        'segvit/segvit_vit-l16-shrunk_8xb2-160k_ade20k-640x640.py',
        'ccnet/ccnet_r50-d8_4xb4-40k_voc12aug-512x512.py',
        'seaformer/seaformer_seaformer-s_8xb1-160k_cityscapes-half-512x1024.py',
        'distillation/distill_scaseg-mscan-t_8xb2-160k_ade20k-512x512.py',
    ],
)
def test_every_number_of_classes_is_that_of_the_folder(name: str, farm: Path) -> None:
    cfg = load_config(REPOSITORY / 'configs' / name, {'data': str(farm)})
    assert set(_numbers('', cfg.to_dict())) == {3}
    for loader in ('train', 'val', 'test'):
        assert cfg[f'{loader}_dataloader'].dataset.type == 'FolderDataset'
    assert 'label_ids' not in cfg.test_evaluator


def _numbers(key: str, node: object) -> list[int]:
    """num_classes of what is built: of the model and of the data loaders."""
    found: list[int] = []
    if isinstance(node, dict):
        for name, child in node.items():
            if key and name == 'num_classes':
                found.append(child)
            elif key or name in ('model', 'train_dataloader', 'val_dataloader', 'test_dataloader'):
                found += _numbers(f'{key}.{name}', child)
    elif isinstance(node, list | tuple):
        for child in node:
            found += _numbers(key, child)
    return found


def test_one_line_of_a_config_is_enough(config: Path, farm: Path, tmp_path: Path) -> None:
    child = tmp_path / 'child.py'
    child.write_text(f"_base_ = '{config}'\ndata = '{farm}'\n")
    assert load_config(child).model.decode_head.num_classes == 3


def test_the_flag_is_the_key() -> None:
    args = config_parser('').parse_args(['c.py', '--data', 'farm', '--cfg-options', 'a.b=1'])
    assert config_options(args) == {'a.b': 1, 'data': 'farm'}


@pytest.mark.parametrize('data, message', [('gone', 'gone: this folder does not exist'), (7, 'expected the folder')])
def test_no_such_folder(config: Path, data: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(config, {'data': data})


def test_class_weights_of_other_classes_are_refused(config: Path, farm: Path) -> None:
    options = {'data': str(farm), 'model.decode_head.loss_decode.class_weight': [1.0] * 10}
    with pytest.raises(UserError, match=r'class_weight has 10 weights, .*farm has 3 classes'):
        load_config(config, options)


def test_bands_reach_loader_preprocessor_and_encoder(config: Path, farm: Path, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    for image in (farm / 'images').rglob('*.jpg'):
        height, width = np.array(Image.open(image)).shape[:2]
        np.save(image.with_suffix('.npy'), rng.random((height, width, 4), np.float32) * 3000)
        image.unlink()
    small = {'train_cfg.max_iters': 2, 'train_cfg.val_interval': 2, 'default_hooks.checkpoint.interval': 2}
    model = train(config, work_dir=tmp_path / 'run', options={'data': str(farm)} | small)
    assert model.data_preprocessor.mean.flatten().tolist() == pytest.approx([1500] * 4, rel=0.05)
    checkpoint = tmp_path / 'run/iter_2.pth'
    evaluate(config, checkpoint, tmp_path / 'test', show_dir=tmp_path / 'pictures', options={'data': str(farm)})
    assert len(list((tmp_path / 'pictures').rglob('*.png'))) == 3
    for step in ('PhotoMetricDistortion', 'CLAHE'):
        options = {'data': str(farm), 'train_dataloader.dataset.pipeline': [dict(type='LoadImageFromFile')]}
        cfg = load_config(config, options)
        cfg.train_dataloader.dataset.pipeline.append(dict(type=step))
        with pytest.raises(UserError, match=rf'pipeline\[.*\]: {step} is for images of three colours'):
            check_data(cfg, ['train_dataloader'])


@pytest.mark.parametrize('kind', ['median_frequency', 'effective_number'])
def test_class_weights_come_from_the_labels_of_the_training(config: Path, farm: Path, kind: str) -> None:
    cfg = load_config(config, {'data': str(farm), 'class_weights': kind})
    apply_class_weights(cfg)
    weights = cfg.model.decode_head.loss_decode.class_weight
    assert len(weights) == 3
    assert weights[2] == 1.0  # does not occur in train
    pixels = np.concatenate([np.array(Image.open(path)).ravel() for path in (farm / 'masks/train').iterdir()])
    shares = np.array([(pixels == value).mean() for value in LABELS[0]])
    expected = np.median(shares) / shares if kind == 'median_frequency' else [1.0, 1.0]
    assert weights[:2] == pytest.approx(expected, abs=1e-3)


def test_class_weights_of_no_kind(config: Path, farm: Path) -> None:
    cfg = load_config(config, {'data': str(farm), 'class_weights': 'rare'})
    with pytest.raises(UserError, match=r"class_weights='rare': choose median_frequency or effective_number"):
        apply_class_weights(cfg)
