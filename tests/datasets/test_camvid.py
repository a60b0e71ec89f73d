"""CamVid: suffixes, the unlabelled id, a subset of the classes, missing folders."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.registry import init_default_scope
from PIL import Image

from scaseg.datasets import CamVidDataset
from scaseg.errors import UserError

LOAD = [{'type': 'LoadImage'}, {'type': 'LoadLabels'}]
ALL_IDS = np.arange(12, dtype=np.uint8).reshape(3, 4)  # the 11 classes, and 11 for unlabelled


@pytest.fixture(autouse=True)
def scope() -> None:
    init_default_scope('mmseg')


def write_frame(root: Path, name: str, suffix: str) -> None:
    for folder in ('train', 'trainannot'):
        (root / folder).mkdir(exist_ok=True)
    Image.new('RGB', (4, 3), (10, 20, 30)).save(root / 'train' / f'{name}{suffix}')
    Image.fromarray(ALL_IDS).save(root / 'trainannot' / f'{name}.png')


def load(root: Path, **kwargs) -> CamVidDataset:
    prefix = {'img_path': 'train', 'seg_map_path': 'trainannot'}
    return CamVidDataset(data_root=str(root), data_prefix=prefix, pipeline=LOAD, **kwargs)


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_either_suffix_finds_images_and_their_labels(tmp_path: Path, suffix: str) -> None:
    for name in ('b', 'a'):
        write_frame(tmp_path, name, suffix)
    dataset = load(tmp_path)
    assert [Path(dataset[i]['img_path']).name for i in range(len(dataset))] == [f'a{suffix}', f'b{suffix}']
    assert dataset[0]['img'].shape == (3, 4, 3)


def test_unlabelled_is_ignored_and_the_classes_are_kept(tmp_path: Path) -> None:
    write_frame(tmp_path, 'a', '.png')
    label = load(tmp_path)[0]['gt_seg_map']
    assert label.ravel().tolist() == [*range(11), 255]


def test_a_subset_of_the_classes_ignores_the_others(tmp_path: Path) -> None:
    write_frame(tmp_path, 'a', '.png')
    dataset = load(tmp_path, metainfo={'classes': ('Car', 'Road')})
    expected = [255] * 12
    expected[8], expected[3] = 0, 1
    assert dataset[0]['gt_seg_map'].ravel().tolist() == expected
    assert dataset.metainfo['palette'] == [[64, 0, 128], [128, 64, 128]]


def test_classes_and_palette_agree() -> None:
    assert len(CamVidDataset.METAINFO['classes']) == len(CamVidDataset.METAINFO['palette']) == 11


def test_both_suffixes_are_ambiguous_until_one_is_named(tmp_path: Path) -> None:
    write_frame(tmp_path, 'a', '.png')
    write_frame(tmp_path, 'b', '.jpg')
    with pytest.raises(UserError, match=r'both .png and .jpg'):
        load(tmp_path)
    assert len(load(tmp_path, img_suffix='.jpg')) == 1


def test_empty_and_missing_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=str(tmp_path / 'train')):
        load(tmp_path)
    (tmp_path / 'train').mkdir()
    with pytest.raises(UserError, match='no images'):
        load(tmp_path)
