"""tools/data/check.py and the check before a training: each fault of a data set, found and named."""

import re
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaseg.apis import train
from scaseg.apis.check_files import check_data_set
from scaseg.errors import UserError

SHAPE = (70, 90)
CONFIG = """
_base_ = '{config}'
data_set = dict(type='BaseSegDataset', data_root='{root}', img_suffix='.png', reduce_zero_label={reduce},
                metainfo=dict(classes=('a', 'b', 'c')))
load = [dict(type='LoadImageFromFile'), dict(type='LoadAnnotations'), dict(type='CheckLabels', num_classes=3),
        dict(type='PackSegInputs')]
model = dict(decode_head=dict(num_classes=3))
train_dataloader = dict(batch_size=1, dataset=dict(_delete_=True, pipeline=load,
                        data_prefix=dict(img_path='images/train', seg_map_path='masks/train'), **data_set))
val_dataloader = dict(batch_size=1, dataset=dict(_delete_=True, pipeline=load,
                      data_prefix=dict(img_path='images/val', seg_map_path='masks/val'), **data_set))
test_dataloader = val_dataloader
"""


class Folder:
    """Images of noise and labels in broad stripes of the three classes: nothing is wrong with them."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.rng = np.random.default_rng(0)
        for split, count in (('train', 4), ('val', 2)):
            for number in range(count):
                self.add(f'{split}/{number}')

    def add(self, name: str, labels: np.ndarray | None = None, shape: tuple[int, int] = SHAPE) -> None:
        for kind in ('images', 'masks'):
            (self.root / kind / name).parent.mkdir(parents=True, exist_ok=True)
        stripes = np.broadcast_to(np.repeat(np.arange(3, dtype=np.uint8), 30), shape)
        self.image(name, shape).save(self.root / f'images/{name}.png')
        Image.fromarray(stripes if labels is None else labels).save(self.root / f'masks/{name}.png')

    def image(self, name: str, shape: tuple[int, int] = SHAPE) -> Image.Image:
        coarse = self.rng.integers(0, 256, (12, 12, 3), np.uint8)
        return Image.fromarray(coarse).resize(shape[::-1])

    def relabel(self, change: Callable[[np.ndarray], np.ndarray]) -> None:
        for path in (self.root / 'masks').rglob('*.png'):
            Image.fromarray(change(np.array(Image.open(path)))).save(path)


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    return Folder(tmp_path / 'farm')


def check(folder: Folder, config: Path, capsys: pytest.CaptureFixture, reduce: bool = False) -> tuple[bool, str]:
    path = folder.root.parent / 'own.py'
    path.write_text(CONFIG.format(config=config, root=folder.root, reduce=reduce))
    is_right = check_data_set(str(path), out=folder.root.parent / 'out')
    return is_right, capsys.readouterr().out


def damage_image(folder: Folder) -> None:
    path = folder.root / 'images/train/1.png'
    path.write_bytes(path.read_bytes()[:-40])


def copy_image(folder: Folder) -> None:
    (folder.root / 'images/val/1.png').write_bytes((folder.root / 'images/train/2.png').read_bytes())


def copy_image_nearly(folder: Folder) -> None:
    pixels = np.array(Image.open(folder.root / 'images/train/2.png')).astype(int) + 2
    folder.add('val/2')
    Image.fromarray(pixels.clip(0, 255).astype(np.uint8)).save(folder.root / 'images/val/2.png')


def turn_image(folder: Folder) -> None:
    exif = Image.Exif()
    exif[0x112] = 6
    folder.image('').save(folder.root / 'images/train/3.png', exif=exif)


def line_at_contours(labels: np.ndarray) -> np.ndarray:
    changed = np.where(np.arange(90) % 30 == 0, 0, np.maximum(labels, 1))
    return np.broadcast_to(changed, labels.shape).astype(np.uint8)


# Faults of single files, each in a file of its own.
IN_ONE_FILE: list[tuple[Callable[[Folder], object], str]] = [
    (damage_image, r'wrong: train: 1 images cannot be read: \S+train/1\.png \('),
    (
        lambda f: (f.root / 'masks/val/0.png').write_bytes(b''),
        r'wrong: val: 1 label files cannot be read: \S+masks/val/0\.png',
    ),
    (
        lambda f: f.add('train/9', np.zeros((70, 80), np.uint8)),
        r'wrong: train: 1 labels have another size than their image: \S+9\.png has \(70, 80\).*save both at one size',
    ),
    (turn_image, r'wrong: train: 1 labels have another size .*the EXIF data turn the image, but not its label'),
    (lambda f: f.add('val/9', np.full(SHAPE, 7, np.uint8)), r'wrong: val: 1 label .*ids 7 \(6300 pixels\)'),
    (
        lambda f: Image.fromarray(np.zeros(SHAPE, np.uint16)).save(f.root / 'images/train/0.png'),
        r'wrong: train: 1 images are 16-bit gray.*reduce_depth=True',
    ),
    (copy_image, r'1 of 5 images of val are in train, too \(\S+val/1\.png is \S+train/2\.png\)'),
    (copy_image_nearly, r'1 of 5 images of val look like one of train'),
    (lambda f: f.add('val/3', shape=(40, 90)), r'val: 1 images have a side of fewer than 64 pixels'),
    (
        lambda f: f.add('train/8', np.full(SHAPE, 255, np.uint8)),
        r'train: 1 label files have no labelled pixel, the first is \S+train/8\.png',
    ),
    (
        lambda f: f.image('').save(f.root / 'images/train/more.jpg'),
        r'train: 1 images of \S+ are left out, as only \*\.png files are taken: 1 end in \.jpg',
    ),
    (
        lambda f: Image.fromarray(np.zeros(SHAPE, np.uint8)).save(f.root / 'masks/val/7.png'),
        r'val: 1 labels have no image, the first is \S+masks/val/7\.png',
    ),
]
# Faults of all label files together.
IN_ALL_FILES: dict[str, tuple[Callable[[np.ndarray], np.ndarray], bool, str]] = {
    'binary': (
        lambda x: np.where(x > 1, 255, 0).astype(np.uint8),
        False,
        r'train: the label files hold only 0 and 255.*Write 1 for the object',
    ),
    '1 bit': (lambda x: x > 1, False, r'fewer than 8 bits'),
    'never': (
        lambda x: np.minimum(x, 1),
        True,
        r'probably wrong: train: 1 of 3 classes never occur \(c\): their IoU',
    ),
    'zero at contours': (
        line_at_contours,
        True,
        r'id 0 occurs in 4 of 4 files and lies within 3 pixels of another id in 4 of these.*reduce_zero_label=True',
    ),
}


def test_faults_of_single_files_are_named_with_their_remedy(
    folder: Folder, config: Path, capsys: pytest.CaptureFixture
) -> None:
    for spoil, _ in IN_ONE_FILE:
        spoil(folder)
    is_right, printed = check(folder, config, capsys)
    assert not is_right
    for _, message in IN_ONE_FILE:
        assert re.search(message, printed.replace('\n', ' ')), (message, printed)
    page = (folder.root.parent / 'out/report.html').read_text()
    assert page.count('<img') >= 12
    assert 'Wrong: unreadable image' in page


@pytest.mark.parametrize('name', IN_ALL_FILES)
def test_faults_of_all_labels_are_named_with_their_remedy(
    name: str, folder: Folder, config: Path, capsys: pytest.CaptureFixture
) -> None:
    change, is_right, message = IN_ALL_FILES[name]
    folder.relabel(change)
    found, printed = check(folder, config, capsys)
    assert found == is_right
    assert re.search(message, printed.replace('\n', ' ')), printed


def test_nothing_is_found_where_nothing_is_wrong(folder: Folder, config: Path, capsys: pytest.CaptureFixture) -> None:
    is_right, printed = check(folder, config, capsys)
    assert is_right
    assert 'no faults found' in printed
    table = (folder.root.parent / 'out/classes.csv').read_text().splitlines()
    assert table[0].startswith('id,class,train: pixels,train: %,train: files,val: pixels')
    assert table[1].split(',')[:8] == ['0', 'a', '8400', '33.3333', '4', '4200', '33.3333', '2']


def test_classes_that_start_at_zero_under_reduce_zero_label(
    folder: Folder, config: Path, capsys: pytest.CaptureFixture
) -> None:
    is_right, printed = check(folder, config, capsys, reduce=True)
    assert "no file holds the id 3, which would be 'c'" in printed
    assert is_right


def test_mean_and_std_are_those_of_all_pixels(folder: Folder, config: Path, capsys: pytest.CaptureFixture) -> None:
    _, printed = check(folder, config, capsys)
    pixels = np.concatenate([np.array(Image.open(path)).reshape(-1, 3) for path in folder.root.glob('images/train/*')])
    mean, std = pixels.mean(0).round(3).tolist(), pixels.std(0).round(3).tolist()
    assert f'train: 4 images; mean={mean}, std={std} (R, G, B)' in printed


def test_a_folder_needs_no_config(folder: Folder, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    assert check_data_set(None, str(folder.root), out=tmp_path / 'out')
    assert 'class 2' in capsys.readouterr().out


def test_a_data_set_without_files(config: Path, tmp_path: Path) -> None:
    with pytest.raises(UserError, match='its data sets read no files of this machine'):
        check_data_set(str(config), out=tmp_path / 'out')


@pytest.mark.parametrize('checked', [True, False])
def test_a_training_is_refused_before_its_first_iteration(
    folder: Folder, config: Path, tmp_path: Path, checked: bool
) -> None:
    folder.relabel(lambda labels: np.where(labels > 1, 255, 0).astype(np.uint8))
    path = tmp_path / 'own.py'
    path.write_text(CONFIG.format(config=config, root=folder.root, reduce=False))
    options = {'check_files': checked, 'train_cfg.max_iters': 1, 'model.data_preprocessor.size': SHAPE}
    options['val_cfg'] = options['val_dataloader'] = options['val_evaluator'] = None
    if not checked:
        train(path, work_dir=tmp_path / 'run', options=options)
        return
    with pytest.raises(UserError, match=r'hold only 0 and 255.*tools/data/check\.py .*check_files=False trains never'):
        train(path, work_dir=tmp_path / 'run', options=options)
    assert not (tmp_path / 'run').exists()
