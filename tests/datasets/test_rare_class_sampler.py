"""Rare classes are drawn more often, and a draw follows from the seed and its position alone."""

import itertools

import numpy as np
import pytest
from mmseg.registry import DATASETS
from PIL import Image

from scaseg.datasets import RareClassSampler
from scaseg.datasets.label_counts import count_labels
from scaseg.datasets.rare_class_sampler import BLOCK, class_probabilities
from scaseg.engine.exact_data import CountedSampler
from scaseg.errors import UserError


@pytest.fixture(scope='module')
def dataset(tmp_path_factory: pytest.TempPathFactory) -> object:
    """Ten images: class 0 in all, class 1 in half of them, class 2 in one, of 4 pixels."""
    root = tmp_path_factory.mktemp('rare')
    for folder in ('images/train', 'masks/train', 'images/val', 'masks/val'):
        (root / folder).mkdir(parents=True)
    for number in range(10):
        labels = np.zeros((20, 20), np.uint8)
        labels[10:] = number % 2
        labels[:2, :2] = 2 if number == 7 else 255
        Image.new('RGB', (20, 20)).save(root / f'images/train/{number}.png')
        Image.fromarray(labels).save(root / f'masks/train/{number}.png')
    Image.new('RGB', (20, 20)).save(root / 'images/val/0.png')
    Image.fromarray(labels).save(root / 'masks/val/0.png')
    return DATASETS.build(dict(type='FolderDataset', data_root=str(root)))


def draws(sampler: object, count: int) -> list[int]:
    return [int(index) for index in itertools.islice(sampler, count)]


def test_pixels_of_each_class_are_counted(dataset: object) -> None:
    counts = count_labels(dataset)
    np.testing.assert_array_equal(counts.sum(0), [3996 - 1000 - 36, 1000, 4])
    np.testing.assert_array_equal(counts[:, 2].nonzero()[0], [7])


def test_probabilities_are_those_of_the_paper() -> None:
    found = class_probabilities(np.array([90, 10, 0]), temperature=0.1)
    expected = np.exp(np.array([1.0, 9.0]))
    np.testing.assert_allclose(found, [*(expected / expected.sum()), 0])


def test_images_of_a_rare_class_are_drawn_as_often_as_its_probability_says(dataset: object) -> None:
    sampler = RareClassSampler(dataset, temperature=0.5, min_pixels=100)
    share = draws(sampler, 4000).count(7) / 4000
    p = sampler.probabilities
    assert share == pytest.approx(p[0] / 10 + p[1] / 5 + p[2], abs=0.02)
    assert share > 0.35


def test_draws_are_the_same_on_any_number_of_processes_and_after_a_resumption(dataset: object) -> None:
    one = draws(RareClassSampler(dataset, seed=3, temperature=0.5), BLOCK + 40)
    two = [RareClassSampler(dataset, seed=3, temperature=0.5) for _ in range(2)]
    for rank, sampler in enumerate(two):
        sampler.rank, sampler.world_size = rank, 2
    together = [index for pair in zip(*(draws(sampler, 30) for sampler in two), strict=True) for index in pair]
    assert together == one[:60]
    assert one != draws(RareClassSampler(dataset, seed=4, temperature=0.5), BLOCK + 40)
    counted = CountedSampler(dataset, seed=3, sampler=dict(type='RareClassSampler', temperature=0.5))
    counted.skip(BLOCK + 10)
    resumed = list(itertools.islice(counted, 30))
    assert [int(index) for index in resumed] == one[BLOCK + 10 :]
    assert resumed[0].position == BLOCK + 10


def test_a_temperature_that_is_none(dataset: object) -> None:
    with pytest.raises(UserError, match=r'temperature=0: expected a number above 0'):
        RareClassSampler(dataset, temperature=0)


def test_a_data_set_without_files() -> None:
    scenes = DATASETS.build(dict(type='ToyScenes', split='val', size=2))
    with pytest.raises(UserError, match='classes are counted in label files'):
        count_labels(scenes)
