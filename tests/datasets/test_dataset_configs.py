"""Every file in configs/_base_/datasets, run on a few synthetic files that are laid out as the real data set is."""

import math
from pathlib import Path
from typing import NamedTuple

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import BaseDataset, pseudo_collate
from mmengine.registry import init_default_scope
from mmseg.registry import DATASETS, METRICS, MODELS
from PIL import Image

import scaseg.datasets
import scaseg.evaluation  # noqa: F401

CONFIG_DIR = Path(__file__).parents[2] / 'configs' / '_base_' / 'datasets'
RATIOS = (0.5, 0.75, 1.0, 1.25, 1.5, 1.75)


class Source(NamedTuple):
    """A folder of images, one of labels, and the list of names, if the data set has one."""

    image: str
    label: str
    names_file: str = ''


class Layout(NamedTuple):
    """What lies in the folders of a data set, and what its recipe makes of it."""

    train: list[Source]
    val: Source
    file_ids: list[int]  # the ids that its label files hold
    image_size: tuple[int, int]  # (H, W) of the synthetic images
    img_scale: tuple[int, int]  # (longer, shorter) side at ratio 1.0
    reduce_zero_label: bool = False
    flips: tuple[bool, ...] = (False, True)  # of test-time augmentation


LAYOUTS = {
    'ade20k_512x512': Layout(
        train=[Source('images/training/{}.jpg', 'annotations/training/{}.png')],
        val=Source('images/validation/{}.jpg', 'annotations/validation/{}.png'),
        file_ids=[*range(151)],
        image_size=(60, 90),
        img_scale=(2048, 512),
        reduce_zero_label=True,
    ),
    'cityscapes_1024x1024': Layout(
        train=[
            Source('leftImg8bit/train/aachen/{}_leftImg8bit.png', 'gtFine/train/aachen/{}_gtFine_labelTrainIds.png')
        ],
        val=Source('leftImg8bit/val/lindau/{}_leftImg8bit.png', 'gtFine/val/lindau/{}_gtFine_labelTrainIds.png'),
        file_ids=[*range(19), 255],
        image_size=(64, 128),
        img_scale=(2048, 1024),
    ),
    'coco_stuff164k_512x512': Layout(
        train=[Source('images/train2017/{}.jpg', 'annotations/train2017/{}_labelTrainIds.png')],
        val=Source('images/val2017/{}.jpg', 'annotations/val2017/{}_labelTrainIds.png'),
        file_ids=[*range(171), 255],
        image_size=(60, 90),
        img_scale=(2048, 512),
    ),
    'coco_stuff10k_512x512': Layout(
        train=[Source('images/train2014/{}.jpg', 'annotations/train2014/{}_labelTrainIds.png')],
        val=Source('images/test2014/{}.jpg', 'annotations/test2014/{}_labelTrainIds.png'),
        file_ids=[*range(172)],
        image_size=(60, 90),
        img_scale=(2048, 512),
        reduce_zero_label=True,
    ),
    'voc2012_aug_512x512': Layout(
        train=[
            Source('JPEGImages/{}.jpg', 'SegmentationClass/{}.png', 'ImageSets/Segmentation/train.txt'),
            Source('JPEGImages/{}.jpg', 'SegmentationClassAug/{}.png', 'ImageSets/Segmentation/aug.txt'),
        ],
        val=Source('JPEGImages/{}.jpg', 'SegmentationClass/{}.png', 'ImageSets/Segmentation/val.txt'),
        file_ids=[*range(21), 255],
        image_size=(60, 90),
        img_scale=(2048, 512),
    ),
    'pascal_context_480x480': Layout(
        train=[
            Source('JPEGImages/{}.jpg', 'SegmentationClassContext/{}.png', 'ImageSets/SegmentationContext/train.txt')
        ],
        val=Source('JPEGImages/{}.jpg', 'SegmentationClassContext/{}.png', 'ImageSets/SegmentationContext/val.txt'),
        file_ids=[*range(60)],
        image_size=(60, 90),
        img_scale=(520, 520),
    ),
    'isaid_896x896': Layout(
        train=[Source('img_dir/train/{}.png', 'ann_dir/train/{}_instance_color_RGB.png')],
        val=Source('img_dir/val/{}.png', 'ann_dir/val/{}_instance_color_RGB.png'),
        file_ids=[*range(16), 255],
        image_size=(90, 90),
        img_scale=(896, 896),
    ),
    'lip_473x473': Layout(
        train=[Source('images/train/{}.jpg', 'annotations/train/{}.png')],
        val=Source('images/val/{}.jpg', 'annotations/val/{}.png'),
        file_ids=[*range(20)],
        image_size=(120, 60),
        img_scale=(473, 473),
        flips=(False,),  # left and right are classes of their own
    ),
    'camvid_288x288': Layout(
        train=[Source('train/{}.png', 'trainannot/{}.png')],
        val=Source('val/{}.png', 'valannot/{}.png'),
        file_ids=[*range(12)],
        image_size=(360, 480),
        img_scale=(480, 360),
    ),
}
LAYOUTS['ade20k_640x640'] = LAYOUTS['ade20k_512x512']._replace(img_scale=(2048, 640))
LAYOUTS['cityscapes_512x1024'] = LAYOUTS['cityscapes_769x769'] = LAYOUTS['cityscapes_1024x1024']
LAYOUTS['cityscapes_half_512x1024'] = LAYOUTS['cityscapes_1024x1024']._replace(img_scale=(1024, 512))
LAYOUTS['pascal_context59_480x480'] = LAYOUTS['pascal_context_480x480']._replace(reduce_zero_label=True)

from_files = pytest.mark.parametrize('name', sorted(LAYOUTS))
every_file = pytest.mark.parametrize('name', sorted(path.stem for path in CONFIG_DIR.glob('*.py')))


@pytest.fixture(autouse=True)
def settings() -> None:
    init_default_scope('mmseg')
    np.random.seed(0)


def load(name: str) -> Config:
    return Config.fromfile(CONFIG_DIR / f'{name}.py')


def write_files(root: Path, layout: Layout, names_per_source: int = 2) -> None:
    rng = np.random.default_rng(0)
    for split, sources in (('train', layout.train), ('val', [layout.val])):
        for number, source in enumerate(sources):
            names = [f'{split}{number}_{index}' for index in range(names_per_source)]
            for name in names:
                image, label = root / source.image.format(name), root / source.label.format(name)
                image.parent.mkdir(parents=True, exist_ok=True)
                label.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(rng.integers(256, size=(*layout.image_size, 3), dtype=np.uint8)).save(image)
                Image.fromarray(rng.choice(layout.file_ids, layout.image_size).astype(np.uint8)).save(label)
            if source.names_file:
                (root / source.names_file).parent.mkdir(parents=True, exist_ok=True)
                (root / source.names_file).write_text(''.join(f'{name}\n' for name in names))


def build(config: Config, loader: str, root: Path) -> BaseDataset:
    """The data set of a loader, with its files under ``root``."""
    dataset = config[loader].dataset
    for part in dataset.get('datasets', [dataset]):
        part.data_root = str(root)
    return DATASETS.build(dataset)


def training_ids(name: str, ids: np.ndarray) -> np.ndarray:
    """What the ids of a label file should become."""
    if name == 'camvid_288x288':
        return np.where(ids == 11, 255, ids)
    return np.where(ids == 0, 255, ids - 1) if LAYOUTS[name].reduce_zero_label else ids


def size_at(ratio: float, layout: Layout, multiple: int) -> tuple[int, int]:
    """(H, W) of an image fitted into the base scale times ``ratio``, each side then rounded up to a multiple."""
    longer, shorter = (side * ratio for side in layout.img_scale)
    factor = min(longer / max(layout.image_size), shorter / min(layout.image_size))
    height, width = (math.ceil(round(side * factor) / multiple) * multiple for side in layout.image_size)
    return height, width


@every_file
def test_loaders_are_those_of_training_and_exact_evaluation(name: str) -> None:
    config = load(name)
    assert config.train_dataloader.sampler == {'type': 'InfiniteSampler', 'shuffle': True}
    for loader in (config.val_dataloader, config.test_dataloader):
        assert loader.sampler == {'type': 'DefaultSampler', 'shuffle': False, 'round_up': False}
        assert loader.batch_size == 1
        assert loader.dataset.type == config.dataset_type
        assert loader.dataset.pipeline == config.test_pipeline
    METRICS.build(config.val_evaluator)
    METRICS.build(config.test_evaluator)


@from_files
def test_labels_are_checked_directly_after_loading(name: str) -> None:
    config = load(name)
    for pipeline in (config.train_pipeline, config.test_pipeline):
        steps = [step.type for step in pipeline]
        check = steps.index('CheckLabels')
        assert steps[check - 1] == 'LoadAnnotations'
        assert pipeline[check].num_classes == config.num_classes


@from_files
def test_training_samples_are_crops_with_legal_ids(name: str, tmp_path: Path) -> None:
    config, layout = load(name), LAYOUTS[name]
    write_files(tmp_path, layout)
    dataset = build(config, 'train_dataloader', tmp_path)
    assert len(dataset) == 2 * len(layout.train)
    assert len(dataset.metainfo['classes']) == config.num_classes

    samples = [dataset[index] for index in range(len(dataset))]
    # what the data preprocessor makes of them is what the network gets
    preprocessor = MODELS.build({'type': 'SegDataPreProcessor', 'size': config.crop_size, 'seg_pad_val': 255})
    batch = preprocessor(pseudo_collate(samples), training=True)
    assert batch['inputs'].shape == (len(dataset), 3, *config.crop_size)
    ids = torch.stack([sample.gt_sem_seg.data for sample in batch['data_samples']])
    assert ids.shape == (len(dataset), 1, *config.crop_size)
    assert set(ids.unique().tolist()) <= {*range(config.num_classes), 255}
    assert len(ids.unique()) > 3


@from_files
def test_validation_resizes_the_image_and_leaves_the_label(name: str, tmp_path: Path) -> None:
    config, layout = load(name), LAYOUTS[name]
    write_files(tmp_path, layout)
    sample = build(config, 'val_dataloader', tmp_path)[0]
    assert tuple(sample['inputs'].shape[1:]) == size_at(1.0, layout, multiple=32)

    data_sample = sample['data_samples']
    file_ids = np.array(Image.open(data_sample.seg_map_path)).astype(np.int64)
    assert data_sample.ori_shape == data_sample.gt_sem_seg.shape == layout.image_size
    assert data_sample.reduce_zero_label == layout.reduce_zero_label
    np.testing.assert_array_equal(data_sample.gt_sem_seg.data[0].numpy(), training_ids(name, file_ids))


@from_files
def test_test_time_views_have_the_ratios_of_the_base_scale(name: str, tmp_path: Path) -> None:
    config, layout = load(name), LAYOUTS[name]
    write_files(tmp_path, layout, names_per_source=1)
    config.test_dataloader.dataset.pipeline = config.tta_pipeline
    views = build(config, 'test_dataloader', tmp_path)[0]
    sizes = [tuple(image.shape[1:]) for image in views['inputs']]
    assert sizes == [size_at(ratio, layout, multiple=32) for ratio in RATIOS for _ in layout.flips]
    assert [view.get('flip', False) for view in views['data_samples']] == [*layout.flips] * len(RATIOS)
    labels = [view.gt_sem_seg.data for view in views['data_samples']]
    assert all(torch.equal(label, labels[0]) for label in labels)
    assert labels[0].shape == (1, *layout.image_size)


def test_toy_scenes_need_no_files() -> None:
    config = load('toyscenes_128x128')
    train, val = (DATASETS.build(config[loader].dataset) for loader in ('train_dataloader', 'val_dataloader'))
    for dataset in (train, val):
        sample = dataset[0]
        assert sample['inputs'].shape == (3, *config.crop_size)
        assert sample['data_samples'].gt_sem_seg.shape == config.crop_size
        assert len(dataset.metainfo['classes']) == config.num_classes
    config.test_dataloader.dataset.pipeline = config.tta_pipeline
    views = DATASETS.build(config.test_dataloader.dataset)[0]
    assert [view.flip for view in views['data_samples']] == [False, True]
    # the label that evaluation takes is that of the first view
    assert torch.equal(views['data_samples'][0].gt_sem_seg.data, val[0]['data_samples'].gt_sem_seg.data)


def test_every_file_is_tested() -> None:
    assert {path.stem for path in CONFIG_DIR.glob('*.py')} == {*LAYOUTS, 'toyscenes_128x128'}
