"""Folders of images and labels as people have them: found, described, read."""

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import BaseDataset
from mmseg.registry import DATASETS
from PIL import Image

from scaseg.apis.describe_data import describe_data
from scaseg.datasets.dataset_yaml import read_description, write_description
from scaseg.datasets.folder_layout import Source, find_endings, find_sources, match_files
from scaseg.datasets.propose import propose_description
from scaseg.errors import UserError

PIPELINE = [dict(type='LoadImage'), dict(type='LoadLabels'), dict(type='CheckLabels', num_classes=3)]


def picture(path: Path, size: tuple[int, int] = (6, 8)) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new('RGB', size[::-1], (9, 99, 200)).save(path)


def mask(path: Path, values: np.ndarray | list) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = np.asarray(values)
    Image.fromarray(np.resize(values, (6, 8, *values.shape[1:])).astype(values.dtype)).save(path)


def ids(*values: int, dtype: type = np.uint8) -> np.ndarray:
    return np.array(values, dtype)


def build(root: Path, split: str = 'train') -> BaseDataset:
    return DATASETS.build(dict(type='FolderDataset', data_root=str(root), split=split, pipeline=PIPELINE))


LAYOUTS = {
    'images/train + masks/train': ('images/{}/{}.jpg', 'masks/{}/{}.png'),
    'train/images + train/masks': ('{}/images/{}.JPG', '{}/masks/{}.png'),
    'img_dir + ann_dir': ('img_dir/{}/{}.jpeg', 'ann_dir/{}/{}.png'),
    'train + train_masks, ending': ('{}/{}.png', '{}_masks/{}_mask.png'),
    'camvid': ('{}/{}.png', '{}annot/{}.png'),
    'mixed': ('{}/{}.bmp', '{}/{}_mask.png'),
    'other words': ('Images/{}/{}_sat.tif', 'Labels/{}/{}_mask.tif'),
    'sub-folders': ('images/{}/city/{}.webp', 'masks/{}/city/{}.png'),
}


@pytest.mark.parametrize('layout', LAYOUTS)
def test_layouts_are_found_and_all_files_paired(tmp_path: Path, layout: str) -> None:
    image, label = LAYOUTS[layout]
    for split, count in (('train', 3), ('val', 2)):
        for number in range(count):
            picture(tmp_path / image.format(split, number))
            mask(tmp_path / label.format(split, number), ids(0, 1, 2))
    assert [len(build(tmp_path, split)) for split in ('train', 'val', 'test')] == [3, 2, 2]
    sample = build(tmp_path)[0]
    assert sample['gt_seg_map'].shape == sample['img'].shape[:2] == (6, 8)


def test_one_folder_is_split_by_a_seed_or_by_lists(tmp_path: Path) -> None:
    for number in range(10):
        picture(tmp_path / f'images/{number}.png')
        mask(tmp_path / f'masks/{number}.png', ids(0, 1, 2))
    drawn = {split: {i['img_path'] for i in map(build(tmp_path, split).get_data_info, range(n))} for split, n in
             (('train', 8), ('val', 2))}  # fmt: skip
    assert len(drawn['train'] | drawn['val']) == 10
    (tmp_path / 'train.txt').write_text('3\n4.png\n5\n')
    (tmp_path / 'val.txt').write_text('9\n')
    assert [len(build(tmp_path, split)) for split in ('train', 'val')] == [3, 1]
    (tmp_path / 'val.txt').write_text('12\n')
    with pytest.raises(UserError, match=r'val\.txt: 1 of 1 names have no image: 12'):
        build(tmp_path, 'val')


def test_what_has_no_counterpart_is_named(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    for name in 'ab':
        picture(tmp_path / f'images/train/{name}.png')
    mask(tmp_path / 'masks/train/a.png', ids(0, 1, 2))
    mask(tmp_path / 'masks/train/z.png', ids(0, 1, 2))
    with pytest.raises(UserError, match=r'train: 1 images have no label in .*masks/train: .*b\.png'):
        len(match(tmp_path))
    (tmp_path / 'images/train/b.png').unlink()
    (tmp_path / 'images/train/c.png').symlink_to('nowhere')
    assert len(build(tmp_path)) == 1
    said = ''.join(capfd.readouterr())
    assert '1 labels without an image are left out' in said
    assert '1 broken links are left out' in said


def match(root: Path) -> BaseDataset:
    describe_data(root)
    text = (root / 'dataset.yaml').read_text().splitlines()
    kept = [line for line in text if not line.startswith(('train', 'val'))]
    (root / 'dataset.yaml').write_text('\n'.join([*kept, 'train: {images: images/train, labels: masks/train}']))
    return build(root)


def test_a_folder_of_something_else(tmp_path: Path) -> None:
    (tmp_path / 'notes').mkdir()
    with pytest.raises(UserError, match=r'no images with labels are found\. Known layouts: images/train'):
        find_sources(tmp_path)


def test_two_files_of_one_name(tmp_path: Path) -> None:
    picture(tmp_path / 'images/a.png')
    picture(tmp_path / 'images/a.jpg')
    with pytest.raises(UserError, match=r'a\.jpg and .*a\.png: two files of one name'):
        match_files(tmp_path, Source('images', None))


@pytest.mark.parametrize('label_ending', ['', '_mask', '_gtFine_labelTrainIds'])
def test_endings(tmp_path: Path, label_ending: str) -> None:
    for number in range(3):
        picture(tmp_path / f'i/x_{number}.png')
        mask(tmp_path / f'l/x_{number}{label_ending}.png', ids(0))
    assert find_endings(tmp_path, Source('i', 'l')) == ('', label_ending)


RED, BLUE = [255, 0, 0], [0, 0, 255]
LABELS: dict[str, tuple[Callable[[Path], None], str, list[int]]] = {
    'ids': (lambda p: mask(p, ids(0, 1, 2)), 'ids', [0, 1, 2]),
    'with 255': (lambda p: mask(p, ids(0, 1, 2, 255)), 'ids', [0, 1, 2]),
    '16 bits': (lambda p: mask(p, ids(7, 1000, 60000, dtype=np.uint16)), 'ids', [7, 1000, 60000]),
    '0 and 255': (lambda p: mask(p, ids(0, 255)), 'ids', [0, 255]),
    '1 bit': (lambda p: mask(p, np.array([False, True])), 'ids', [0, 255]),
    'colours': (lambda p: mask(p, np.array([[0, 0, 0], RED, BLUE], np.uint8)), 'colours', [[0, 0, 0], BLUE, RED]),
    'colours and alpha': (lambda p: mask(p, np.array([[*RED, 255], [*BLUE, 255]], np.uint8)), 'colours', [BLUE, RED]),
}


@pytest.mark.parametrize('kind', LABELS)
def test_descriptions_are_proposed_written_and_read_back(tmp_path: Path, kind: str) -> None:
    save, labels, values = LABELS[kind]
    for split in ('train', 'val'):
        picture(tmp_path / f'images/{split}/a.png')
        (tmp_path / f'masks/{split}').mkdir(parents=True)
        save(tmp_path / f'masks/{split}/a.png')
    proposed = build(tmp_path)[0]['gt_seg_map']
    path = describe_data(tmp_path)
    text = path.read_text()
    assert f'labels: {labels}\n' in text
    description = read_description(path)
    assert write_description(description) == '\n'.join(line.split('  #')[0] for line in text.splitlines()) + '\n'
    np.testing.assert_array_equal(build(tmp_path)[0]['gt_seg_map'], proposed)
    assert set(np.unique(proposed)) - {255} == set(range(len(values)))
    assert len(description.classes) == len(values)
    with pytest.raises(UserError, match='is there already'):
        describe_data(tmp_path)


def test_names_come_from_a_list(tmp_path: Path) -> None:
    picture(tmp_path / 'images/a.png')
    mask(tmp_path / 'masks/a.png', ids(0, 1, 2))
    (tmp_path / 'classes.txt').write_text('sky\nroad\ncar\n')
    assert [entry.name for entry in propose_description(tmp_path).description.classes] == ['sky', 'road', 'car']


def test_palettes_that_differ_are_read_as_colours(tmp_path: Path) -> None:
    for name, palette in {'a': [0, 0, 0, *RED], 'b': [*RED, 0, 0, 0]}.items():
        picture(tmp_path / f'images/{name}.png')
        indexed = Image.fromarray(np.resize(ids(0, 0, 1), (6, 8))).convert('P')
        indexed.putpalette(palette)
        (tmp_path / 'masks').mkdir(exist_ok=True)
        indexed.save(tmp_path / f'masks/{name}.png')
    proposal = propose_description(tmp_path)
    assert proposal.description.colours
    assert [entry.values for entry in proposal.description.classes] == [(0,), (0xFF0000,)]


YAML = """
labels: {labels}
classes:
  - {{name: a, values: {a}}}
  - {{name: b, values: {b}}}
ignore: {ignore}
train: {{images: images, labels: masks}}
"""


def described(root: Path, **values: object) -> BaseDataset:
    picture(root / 'images/a.png')
    defaults = dict(labels='ids', a=[1], b=[2], ignore=[0])
    (root / 'dataset.yaml').write_text(YAML.format(**defaults | values))
    return build(root)


def test_merged_and_ignored_classes(tmp_path: Path) -> None:
    mask(tmp_path / 'masks/a.png', ids(0, 1, 2, 700, dtype=np.uint16))
    encoded = described(tmp_path, b=[2, 700])[0]['gt_seg_map']
    np.testing.assert_array_equal(encoded[0, :4], [255, 0, 1, 1])


@pytest.mark.parametrize('dtype, stray', [(np.uint8, 9), (np.uint16, 9), (np.int32, 100000), (np.int32, -1)])
def test_ids_of_no_class_are_listed_with_their_pixels(tmp_path: Path, dtype: type, stray: int) -> None:
    (tmp_path / 'masks').mkdir()
    np.save(tmp_path / 'masks/a.npy', np.resize(np.array([1, 2, 0, stray], dtype), (6, 8)))
    with pytest.raises(UserError, match=rf'a\.npy: ids {stray} \(\d+ pixels\) belong to no class: add them'):
        described(tmp_path)[0]


def test_a_colour_that_is_nearly_right_is_refused(tmp_path: Path) -> None:
    mask(tmp_path / 'masks/a.png', np.array([RED, BLUE, [254, 0, 0]], np.uint8))
    with pytest.raises(UserError, match=r'a\.png: colours \(254, 0, 0\) \(16 pixels\) belong to no class'):
        described(tmp_path, labels='colours', a=[RED], b=[BLUE], ignore=[])[0]


@pytest.mark.parametrize(
    'values, message',
    [
        (dict(labels='colors'), r"labels: 'colors' is given, expected ids or colours"),
        (dict(a='1'), r'classes\[0\]\.values: 1 is given, expected a list of ids'),
        (dict(a=[-1]), r'classes\[0\]\.values: -1 is given, expected ids of 0 or more'),
        (dict(a=[[1, 2]]), r'classes\[0\]\.values: \[1, 2\]'),
        (dict(a=[2]), r'2 stands both for a and for b'),
        (dict(ignore=[1]), r'1 stands both for a and for ignore'),
        (dict(labels='colours', a=[[1, 2, 300]]), r'\[red, green, blue\], each 0 to 255'),
        (dict(ignore='[0]\nclases: 3'), r'clases: no such key, known are'),
        (dict(ignore='[0'), r'dataset\.yaml: it cannot be read'),
    ],
    ids=lambda value: ' '.join(map(str, value)) if isinstance(value, dict) else '',
)
def test_a_yaml_that_is_wrong_is_one_line(tmp_path: Path, values: dict, message: str) -> None:
    mask(tmp_path / 'masks/a.png', ids(1))
    with pytest.raises(UserError, match=message):
        described(tmp_path, **values)
