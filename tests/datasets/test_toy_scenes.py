import cv2
import numpy as np
import pytest
import torch
from mmengine.dataset import pseudo_collate
from mmengine.model import BaseModel
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.registry import DATASETS
from mmseg.utils import register_all_modules
from torch.utils.data import DataLoader

from scaseg.datasets.toy_scene_painter import (
    CLASSES,
    IGNORE,
    MOVING_CAR,
    PALETTE,
    POLE,
    SIGNAL,
    SKY,
    WAITING_CAR,
    paint_scene,
)
from scaseg.datasets.toy_scenes import ToyScenes
from scaseg.errors import UserError

SIZES = [(128, 128), (32, 32), (65, 161), (150, 47), (39, 200)]
PACKED = [{'type': 'PackSegInputs'}]

register_all_modules(init_default_scope=True)


def scenes(size=24, **kwargs):
    dataset = ToyScenes(**{'split': 'train', 'size': size, **kwargs})
    return [dataset[index] for index in range(size)]


def same(one, other):
    return np.array_equal(one['img'], other['img']) and np.array_equal(one['gt_seg_map'], other['gt_seg_map'])


def is_car(labels):
    return (labels == WAITING_CAR) | (labels == MOVING_CAR)


def rows_of(mask):
    return np.flatnonzero(mask.any(axis=1))


@pytest.mark.parametrize('image_size', SIZES)
def test_a_scene_has_the_shape_and_the_values_that_pipelines_expect(image_size):
    for scene in scenes(6, image_size=list(image_size)):
        assert scene['img'].shape == (*image_size, 3)
        assert scene['gt_seg_map'].shape == scene['img_shape'] == scene['ori_shape'] == image_size
        assert scene['img'].dtype == scene['gt_seg_map'].dtype == np.uint8
        assert set(np.unique(scene['gt_seg_map'])) <= {*range(len(CLASSES)), IGNORE}
        assert scene['seg_fields'] == ['gt_seg_map']


def test_scenes_do_not_depend_on_the_order_of_access_nor_on_global_random_state():
    forwards, dataset = scenes(8), ToyScenes('train', 8)
    for index in (5, 0, 7, 5, 2):
        np.random.seed(index)
        assert same(dataset[index], forwards[index])
    assert same(scenes(100)[3], forwards[3])


def test_workers_paint_the_same_scenes():
    dataset = ToyScenes('val', 6, pipeline=PACKED, test_mode=True)
    for workers in (0, 2):
        loader = DataLoader(dataset, batch_size=2, num_workers=workers, collate_fn=pseudo_collate)
        images = [image for batch in loader for image in batch['inputs']]
        assert all(torch.equal(image, dataset[index]['inputs']) for index, image in enumerate(images))


def test_splits_seeds_and_indices_give_other_scenes():
    seen = [*scenes(4), *scenes(4, split='val'), *scenes(4, split='test'), *scenes(4, seed=1), *scenes(4, seed=2**32)]
    assert len({scene['img'].tobytes() for scene in seen}) == len(seen)


def test_every_class_occurs_and_some_pixels_are_ignored():
    counts = np.bincount(np.concatenate([scene['gt_seg_map'].ravel() for scene in scenes()]), minlength=256)
    assert (counts[: len(CLASSES)] > 0.005 * counts.sum()).all()
    assert 0.02 < counts[IGNORE] / counts.sum() < 0.15


def test_a_thin_pole_keeps_its_pixels_beside_the_ignored_ones():
    poles = np.stack([scene['gt_seg_map'] == POLE for scene in scenes()])
    lone = poles[:, :, 1:-1] & ~poles[:, :, :-2] & ~poles[:, :, 2:]
    assert lone.any()


def test_cars_of_both_kinds_are_as_frequent_and_fill_a_part_of_every_scene():
    labels = [scene['gt_seg_map'] for scene in scenes(200)]
    assert all(is_car(label).mean() > 0.03 for label in labels)
    waiting = [WAITING_CAR in label for label in labels]
    assert [MOVING_CAR in label for label in labels] == [not waits for waits in waiting]
    assert 80 <= sum(waiting) <= 120


@pytest.mark.parametrize('image_size', SIZES)
def test_the_other_signal_changes_the_class_of_the_cars_and_no_pixel_far_from_it(image_size):
    for seed in range(8):
        red, waiting = paint_scene(np.random.default_rng(seed), image_size, stop=True)
        green, moving = paint_scene(np.random.default_rng(seed), image_size, stop=False)
        assert is_car(waiting).any() and MOVING_CAR not in waiting
        assert np.array_equal(np.where(waiting == WAITING_CAR, MOVING_CAR, waiting), moving)

        changed = (red != green).any(axis=2)
        around_signal = cv2.dilate((waiting == SIGNAL).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        assert changed.any() and not (changed & ~around_signal).any()
        assert rows_of(is_car(waiting)).min() - rows_of(changed).max() >= 0.4 * image_size[0]


@pytest.mark.parametrize('image_size', SIZES)
def test_cars_are_far_from_the_signal(image_size):
    for scene in scenes(image_size=image_size):
        signal, cars = rows_of(scene['gt_seg_map'] == SIGNAL), rows_of(is_car(scene['gt_seg_map']))
        assert cars.min() - signal.max() >= 0.4 * image_size[0]


def test_the_signal_is_whole_and_its_lamp_tells_red_from_green():
    areas = set()
    for scene in scenes():
        signal = scene['gt_seg_map'] == SIGNAL
        areas.add(int(signal.sum()) // 20)
        green, red = scene['img'][signal][:, 1:].astype(int).T
        lit = red - green if WAITING_CAR in scene['gt_seg_map'] else green - red
        assert (lit > 100).sum() >= 20
        assert (lit < -100).sum() <= 4
    assert len(areas) <= 3, 'something hides a part of the signal'


def test_a_flip_keeps_the_labels_on_their_pixels():
    (plain,), (flipped,) = scenes(1), scenes(1, pipeline=[{'type': 'RandomFlip', 'prob': 1.0}])
    assert np.array_equal(flipped['img'], plain['img'][:, ::-1])
    assert np.array_equal(flipped['gt_seg_map'], plain['gt_seg_map'][:, ::-1])


def test_the_usual_augmentations_accept_a_scene():
    pipeline = [
        {'type': 'RandomResize', 'scale': (160, 128), 'ratio_range': (0.75, 1.5), 'keep_ratio': True},
        {'type': 'RandomCrop', 'crop_size': (64, 96), 'cat_max_ratio': 0.75},
        {'type': 'RandomFlip', 'prob': 0.5},
        {'type': 'PhotoMetricDistortion'},
        *PACKED,
    ]
    for packed in scenes(4, pipeline=pipeline):
        assert packed['inputs'].shape == (3, 64, 96)
        assert packed['data_samples'].gt_sem_seg.data.shape == (1, 64, 96)


class Oracle(BaseModel):
    """Predicts the truth, and sky where there is none."""

    def forward(self, inputs, data_samples, mode):
        for sample in data_samples:
            truth = sample.gt_sem_seg.data
            sample.pred_sem_seg = PixelData(data=torch.where(truth == IGNORE, SKY, truth))
        return data_samples


def test_a_runner_evaluates_on_it_and_saves_predictions_by_name(tmp_path):
    dataset = {
        'type': 'ToyScenes',
        'split': 'val',
        'size': 4,
        'pipeline': PACKED,
        'test_mode': True,
        'lazy_init': True,
    }
    runner = Runner(
        model=Oracle(),
        work_dir=str(tmp_path / 'work'),
        val_dataloader={'batch_size': 2, 'sampler': {'type': 'DefaultSampler', 'shuffle': False}, 'dataset': dataset},
        val_cfg={},
        val_evaluator={'type': 'IoUMetric', 'output_dir': str(tmp_path / 'predictions')},
        default_scope='mmseg',
        experiment_name='toy_scenes',
    )
    assert runner.val()['mIoU'] == 100
    assert runner.val_dataloader.dataset.metainfo['classes'] == CLASSES
    assert sorted(path.name for path in (tmp_path / 'predictions').iterdir()) == [f'{i:05d}.png' for i in range(4)]


def test_metainfo_names_and_colours_every_class_once():
    metainfo = DATASETS.build({'type': 'ToyScenes', 'split': 'test', 'size': 1}).metainfo
    assert len(set(metainfo['classes'])) == len({tuple(colour) for colour in metainfo['palette']}) == len(CLASSES)
    assert metainfo['reduce_zero_label'] is False


def test_a_selection_of_classes_ignores_the_others():
    (plain,), (selected,) = scenes(1), scenes(1, metainfo={'classes': ['road', 'sky']})
    assert np.array_equal(selected['gt_seg_map'] == 0, plain['gt_seg_map'] == CLASSES.index('road'))
    assert np.array_equal(selected['gt_seg_map'] == 1, plain['gt_seg_map'] == SKY)
    assert set(np.unique(selected['gt_seg_map'])) == {0, 1, IGNORE}
    palette = ToyScenes('val', 1, metainfo={'classes': ['road', 'sky']}).metainfo['palette']
    assert palette == [PALETTE[CLASSES.index('road')], PALETTE[SKY]]


def test_a_subset_keeps_the_scenes_and_their_names():
    subset = ToyScenes('train', 8, indices=[6, 1])
    assert len(subset) == 2
    assert subset[0]['img_path'] == 'toyscenes/train/00006.png'
    assert same(subset[0], scenes(8)[6])


@pytest.mark.parametrize(
    ('wrong', 'named'),
    [
        ({'split': 'training'}, 'split='),
        ({'size': 0}, 'size='),
        ({'size': 2.5}, 'size='),
        ({'image_size': (128, 31)}, 'image_size='),
        ({'image_size': 128}, 'image_size='),
        ({'image_size': (128, 128, 3)}, 'image_size='),
        ({'seed': -1}, 'seed='),
        ({'seed': None}, 'seed='),
    ],
)
def test_a_wrong_argument_is_named(wrong, named):
    with pytest.raises(UserError, match=named):
        ToyScenes(**{'split': 'train', 'size': 4, **wrong})
