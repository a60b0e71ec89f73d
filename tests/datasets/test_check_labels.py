"""CheckLabels: what passes, and what each error says."""

from pathlib import Path

import numpy as np
import pytest
from mmengine.dataset import Compose
from mmengine.registry import init_default_scope
from PIL import Image
from torch.utils.data import DataLoader, Dataset

from scaseg.datasets import CheckLabels
from scaseg.errors import UserError


def sample(label: np.ndarray, reduce_zero_label: bool = False) -> dict:
    return {
        'gt_seg_map': label,
        'ori_shape': (2, 3),
        'img_path': 'images/a.jpg',
        'seg_map_path': 'labels/a.png',
        'reduce_zero_label': reduce_zero_label,
    }


def label(*ids: int, dtype: type = np.uint8) -> np.ndarray:
    return np.resize(np.array(ids, dtype), (2, 3))


@pytest.mark.parametrize('ids', [(0, 1, 2), (2, 255), (255,)])
@pytest.mark.parametrize('dtype', [np.uint8, np.int64])
def test_legal_labels_pass_unchanged(ids: tuple[int, ...], dtype: type) -> None:
    results = sample(label(*ids, dtype=dtype))
    before = results['gt_seg_map'].copy()
    assert CheckLabels(num_classes=3)(results) is results
    np.testing.assert_array_equal(results['gt_seg_map'], before)


def test_ids_that_start_at_one_get_the_reduce_zero_label_hint() -> None:
    with pytest.raises(UserError, match=r'labels/a.png: label ids \[3\] lie outside 0..2.*reduce_zero_label=True'):
        CheckLabels(num_classes=3)(sample(label(0, 1, 3)))


def test_other_ids_are_listed() -> None:
    with pytest.raises(UserError, match=r'label ids \[7, 254\].*Correct num_classes, or write 255'):
        CheckLabels(num_classes=3)(sample(label(254, 1, 7, 255)))


def test_negative_ids_are_stray() -> None:
    with pytest.raises(UserError, match=r'label ids \[-1\]'):
        CheckLabels(num_classes=3)(sample(label(-1, 1, dtype=np.int64)))


def test_reduced_labels_say_that_one_was_taken_off() -> None:
    with pytest.raises(UserError, match=r'taken 1 off.*set it to False'):
        CheckLabels(num_classes=3)(sample(label(0, 3), reduce_zero_label=True))


def test_another_ignore_index() -> None:
    check = CheckLabels(num_classes=3, ignore_index=9)
    check(sample(label(0, 9)))
    with pytest.raises(UserError, match=r'\[255\]'):
        check(sample(label(0, 255)))


def test_size_mismatch_names_both_files_and_sizes() -> None:
    with pytest.raises(UserError, match=r'labels/a.png.*height 3, width 2.*images/a.jpg has height 2, width 3'):
        CheckLabels(num_classes=3)(sample(label(0).T))


def test_colour_picture() -> None:
    with pytest.raises(UserError, match=r'this file has 3.*colour'):
        CheckLabels(num_classes=3)(sample(np.zeros((2, 3, 3), np.uint8)))


class OneSample(Dataset):
    """A bad label file behind mmseg's own loading."""

    def __init__(self, root: Path) -> None:
        Image.new('RGB', (3, 2)).save(root / 'image.png')
        Image.fromarray(label(0, 4)).save(root / 'label.png')
        self.data = {
            'img_path': str(root / 'image.png'),
            'seg_map_path': str(root / 'label.png'),
            'seg_fields': [],
            'reduce_zero_label': False,
        }
        init_default_scope('mmseg')
        steps = [{'type': 'LoadImage'}, {'type': 'LoadLabels'}, {'type': 'CheckLabels', 'num_classes': 4}]
        self.pipeline = Compose(steps)

    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> dict:
        return self.pipeline(self.data)


def test_the_error_survives_a_worker_of_the_data_loader(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'label.png: label ids \[4\]'):
        next(iter(DataLoader(OneSample(tmp_path), num_workers=1)))


def test_a_sample_without_labels_passes() -> None:
    results = {'img_path': 'image.png', 'ori_shape': (2, 3)}
    assert CheckLabels(num_classes=3)(results) is results
