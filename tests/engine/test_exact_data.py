"""Training data depend on the seed and on the position in the training, not on who loads them and when."""

import hashlib
import itertools
import pickle
import random
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
import torch
from mmengine.registry import init_default_scope
from mmengine.runner.loops import _InfiniteDataloaderIterator
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATA_SAMPLERS, DATASETS, TRANSFORMS
from torch.utils.data import Sampler

from scaseg.engine import ExactDataset, ExactSampler, QuietRunner, exact_dataloader
from scaseg.engine.exact_data import SampleIndex
from scaseg.errors import UserError

GLOBAL_BATCH = 4
SPECKS = dict(type='Specks', size=13)  # batches of 4 straddle the passes
AUGMENTATIONS = [
    dict(type='RandomFlip', prob=0.5),  # numpy
    dict(type='PhotoMetricDistortion'),  # numpy
    dict(type='TorchNoise'),
    dict(type='PackSegInputs'),
]


@DATASETS.register_module()
class Specks(BaseSegDataset):
    """Images of 8 x 8 random pixels, as if loaded."""

    METAINFO = dict(classes=('dark', 'bright'), palette=[[0, 0, 0], [9, 9, 9]])

    def __init__(self, size: int, pipeline: list[dict]) -> None:
        self.size = size
        super().__init__(pipeline=pipeline)

    def load_data_list(self) -> list[dict]:
        return [dict(img_path=str(number), seg_fields=['gt_seg_map'], label_map=None) for number in range(self.size)]

    def prepare_data(self, idx: int) -> dict | None:
        image = np.random.default_rng(idx).integers(0, 200, (8, 8, 3), dtype=np.uint8)
        results = self.get_data_info(idx) | dict(img=image, img_shape=(8, 8), ori_shape=(8, 8))
        return self.pipeline(results | dict(gt_seg_map=image[..., 0] // 100))


@TRANSFORMS.register_module()
class TorchNoise:
    """Adds noise that torch draws."""

    def __call__(self, results: dict) -> dict:
        results['img'] = results['img'] + torch.randint(0, 9, results['img'].shape, dtype=torch.uint8).numpy()
        return results


@TRANSFORMS.register_module()
class Picky:
    """Refuses every other sample at random, so that the data set draws another one."""

    def __call__(self, results: dict) -> dict | None:
        return results if random.random() < 0.5 else None


@DATA_SAMPLERS.register_module()
class Backwards(Sampler[int]):
    """A sampler of a user's own."""

    def __init__(self, dataset: Any, seed: int) -> None:
        self.size = len(dataset)

    def __iter__(self) -> Iterator[int]:
        return itertools.cycle(range(self.size - 1, -1, -1))

    def __len__(self) -> int:
        return self.size


def dataset(name: str = 'plain') -> dict:
    plain = SPECKS | dict(pipeline=AUGMENTATIONS)
    unpacked = SPECKS | dict(pipeline=AUGMENTATIONS[:-1])
    mosaic = [dict(type='RandomMosaic', prob=0.5, img_scale=(8, 8)), AUGMENTATIONS[-1]]
    return {
        'plain': plain,
        'retry': SPECKS | dict(pipeline=[dict(type='Picky'), *AUGMENTATIONS]),
        'repeat': dict(type='RepeatDataset', times=3, dataset=plain),
        'concat': dict(type='ConcatDataset', datasets=[plain, plain | dict(size=7)]),
        'mosaic': dict(type='MultiImageMixDataset', dataset=unpacked, pipeline=mosaic),
    }[name]


def loader(
    data: dict, workers: int = 0, ranks: int = 1, rank: int = 0, sampler: str = 'InfiniteSampler', **keys: Any
) -> torch.utils.data.DataLoader:
    batch = GLOBAL_BATCH // ranks
    cfg = dict(batch_size=batch, num_workers=workers, persistent_workers=workers > 0, dataset=data)
    cfg = exact_dataloader(cfg | dict(sampler=dict(type=sampler)), **(dict(seed=5, by_epoch=False) | keys))
    if sampler != 'Backwards':
        cfg['sampler'] |= dict(rank=rank, world_size=ranks)
    return QuietRunner.build_dataloader(cfg, seed=rank)


def digests(batch: dict) -> list[str]:
    """One digest for each sample of a batch, image and labels."""
    return [
        hashlib.md5(image.numpy().tobytes() + sample.gt_sem_seg.data.numpy().tobytes()).hexdigest()
        for image, sample in zip(batch['inputs'], batch['data_samples'], strict=True)
    ]


def batches(
    count: int, start: int = 0, workers: int = 0, ranks: int = 1, data: str = 'plain', **keys: Any
) -> list[list[str]]:
    """Global batches, each the sorted digests of its samples, of a training that starts or goes on at one of them."""
    rows = []
    for rank in range(ranks):
        iterator = _InfiniteDataloaderIterator(loader(dataset(data), workers, ranks, rank, **keys))
        iterator.skip_iter(start)
        rows.append([digests(next(iterator)) for _ in range(count)])
    return [sorted(itertools.chain(*parts)) for parts in zip(*rows, strict=True)]


@pytest.fixture(scope='module')
def undisturbed() -> list[list[str]]:
    init_default_scope('mmseg')
    return batches(48)


@pytest.mark.parametrize('workers', [0, 2, 4])
@pytest.mark.parametrize('ranks', [1, 2])
def test_batches_do_not_depend_on_workers_and_processes(
    workers: int, ranks: int, undisturbed: list[list[str]]
) -> None:
    random.seed(workers), np.random.seed(ranks), torch.manual_seed(workers)
    assert batches(40, workers=workers, ranks=ranks) == undisturbed[:40]
    assert batches(8, start=40, workers=workers, ranks=ranks) == undisturbed[40:]  # samples 160 to 191, pass 13 to 15


def test_every_pass_has_its_own_order_and_augmentations(undisturbed: list[list[str]]) -> None:
    assert len({digest for batch in undisturbed for digest in batch}) == 48 * GLOBAL_BATCH
    sampler = ExactSampler(range(13), seed=5)
    first, second = (list(itertools.islice(sampler, start, start + 13)) for start in (0, 13))
    assert sorted(first) == sorted(second) == list(range(13))
    assert first != second
    assert batches(1, seed=6) != undisturbed[:1]


@pytest.mark.parametrize('data', ['retry', 'repeat', 'concat', 'mosaic'])
def test_wrappers_and_what_they_draw_besides_are_exact(data: str) -> None:
    whole = batches(12, data=data)
    assert batches(12, data=data, ranks=4) == whole
    assert batches(4, start=8, data=data, workers=2) == whole[8:]


def test_a_sampler_of_the_users_keeps_its_order_and_gets_exact_samples() -> None:
    whole = batches(6, sampler='Backwards')
    assert batches(6, sampler='Backwards', workers=2) == whole
    assert batches(3, start=3, sampler='Backwards') == whole[3:]
    assert len({digest for batch in whole for digest in batch}) == 6 * GLOBAL_BATCH  # 24 samples of 13 images


@pytest.mark.parametrize('ranks', [1, 2])
def test_epochs_are_pieces_of_the_same_row(ranks: int, undisturbed: list[list[str]]) -> None:
    rows = []
    for rank in range(ranks):
        data = loader(dataset(), 0, ranks, rank, sampler='DefaultSampler', by_epoch=True)
        assert len(data) == 4  # 13 images in batches of 4, the last one filled up from the next pass
        rows.append([])
        for epoch in (0, 1):
            data.sampler.set_epoch(epoch)
            rows[-1] += [digests(batch) for batch in data]
        data.sampler.skip(6 * data.batch_size)
        assert [digests(batch) for batch in data] == rows[-1][6:]
    assert [sorted(itertools.chain(*parts)) for parts in zip(*rows, strict=True)] == undisturbed[:8]


def draw_from_each() -> tuple[float, float, float]:
    return random.random(), np.random.rand(), torch.rand(()).item()


def set_each() -> None:
    random.seed(1), np.random.seed(1), torch.manual_seed(1)


def test_the_generators_of_the_network_are_left_alone() -> None:
    set_each()
    expected = draw_from_each()
    set_each()
    next(iter(loader(dataset())))
    assert draw_from_each() == expected


def test_indices_survive_the_way_to_a_worker() -> None:
    index = pickle.loads(pickle.dumps(SampleIndex(3, seed=5, position=2**40)))
    assert (index, index.seed, index.position) == (3, 5, 2**40)


def test_the_data_set_answers_for_the_one_inside() -> None:
    data = ExactDataset(dataset('repeat'))
    assert len(data) == 39
    assert data.metainfo['classes'] == ('dark', 'bright')
    assert len(pickle.loads(pickle.dumps(data))) == 39


def test_an_epoch_without_a_batch_is_refused() -> None:
    with pytest.raises(UserError, match='3 images do not fill one batch of 8'):
        ExactSampler(range(3), seed=0, batch_size=4, world_size=2, drop_last=True)
