"""Training data that follow from the seed and from where the training stands, and from nothing else.

In mmengine a sample depends on the state of the random generators of the worker that happens to load it: on the number
of workers and of processes, on how often the training was resumed, and without workers on the network's dropout. Here
the sampler numbers the samples of the whole training, and for each of them the generators of python, numpy and torch
are set from (seed, position, index) before its pipeline starts. Batch k of all processes together is the same set of
tensors on any number of processes, as long as the global batch is as large.

Nothing has to be asked for: ``QuietRunner`` builds every training data loader from what ``exact_dataloader`` makes of
its config. What is left out are transforms that remember earlier samples or keep generators of their own.
"""

import itertools
import random
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import torch
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import get_dist_info
from mmseg.registry import DATA_SAMPLERS, DATASETS
from numpy.random import SeedSequence
from torch.utils.data import Dataset, Sampler

from scaseg.errors import UserError

ORDER, SAMPLE = range(2)  # keep apart the random numbers for the order of a pass and for a sample


class SampleIndex(int):
    """An index into a data set that knows which draw of a training it is; made to pass for an ``int`` anywhere.

    Args:
        index: into the data set.
        seed: of the training.
        position: number of the draw, over all processes, from the start of the training.
    """

    seed: int
    position: int

    def __new__(cls, index: int, seed: int, position: int) -> 'SampleIndex':
        self = super().__new__(cls, index)
        self.seed, self.position = seed, position
        return self

    def __reduce__(self) -> tuple[type, tuple[int, int, int]]:
        return SampleIndex, (int(self), self.seed, self.position)


class ExactSampler(Sampler[int]):
    """One endless row of passes over a data set, of which each process takes every ``world_size``-th sample.

    All batches are whole: where mmengine ends an epoch with a small batch, this one goes on with the next pass. The
    order of a pass follows from the seed and its number, so that any position is reached without going there.

    Args:
        dataset: data set, of which the length is read.
        seed: of the order.
        batch_size: samples of a batch of one process.
        by_epoch: end where an epoch of whole batches does, as epoch-based loops want it; else never.
        shuffle: a new order for each pass, or that of the data set.
        drop_last: an epoch leaves out the samples that do not fill a batch; they come in the next one.
        rank: number of this process; ``None`` asks mmengine.
        world_size: number of processes; ``None`` asks mmengine.

    Raises:
        UserError: an epoch has no batch.
    """

    def __init__(
        self,
        dataset: Dataset,
        seed: int,
        batch_size: int = 1,
        by_epoch: bool = False,
        shuffle: bool = True,
        drop_last: bool = False,
        rank: int | None = None,
        world_size: int | None = None,
    ) -> None:
        own_rank, own_world_size = get_dist_info()
        self.rank = own_rank if rank is None else rank
        self.world_size = own_world_size if world_size is None else world_size
        self.size = len(dataset)  # type: ignore[arg-type]
        self.seed = seed
        self.by_epoch = by_epoch
        self.shuffle = shuffle
        self.start = 0  # samples of this process before the next one
        global_batch = batch_size * self.world_size
        batches = self.size // global_batch if drop_last else -(-self.size // global_batch)
        if batches == 0:
            raise UserError(
                f'train_dataloader: {self.size} images do not fill one batch of {global_batch}; set drop_last=False, '
                'or a smaller batch_size'
            )
        self.epoch_length = batches * batch_size

    def __len__(self) -> int:
        """Samples of an epoch of one process."""
        return self.epoch_length

    def __iter__(self) -> Iterator[SampleIndex]:
        end = (self.start // self.epoch_length + 1) * self.epoch_length
        for count in range(self.start, end) if self.by_epoch else itertools.count(self.start):
            position = count * self.world_size + self.rank
            number, place = divmod(position, self.size)
            index = _order(self.size, self.seed, number)[place] if self.shuffle else place
            yield SampleIndex(index, self.seed, position)

    def skip(self, num_samples: int) -> None:
        """Start the next iteration behind that many samples of this process, counted from the start of the training.

        mmengine's iteration-based loop calls it where a training is resumed.
        """
        self.start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """Start the next iteration at an epoch; mmengine's ``DistSamplerSeedHook`` calls it before each one."""
        if self.by_epoch:
            self.start = epoch * self.epoch_length


class CountedSampler(Sampler[int]):
    """Another sampler, whose order is its own affair, with the positions that make the samples exact.

    Args:
        dataset: data set.
        seed: of the samples, and of the sampler where it takes one.
        sampler: its config.
        by_epoch: it ends after an epoch.
    """

    def __init__(self, dataset: Dataset, seed: int, sampler: dict[str, Any], by_epoch: bool = False) -> None:
        self.rank, self.world_size = get_dist_info()
        self.seed = seed
        self.by_epoch = by_epoch
        self.sampler = DATA_SAMPLERS.build(sampler, default_args=dict(dataset=dataset, seed=seed))
        self.start = 0

    def __len__(self) -> int:
        return len(self.sampler)

    def __iter__(self) -> Iterator[SampleIndex]:
        passed = self.start % len(self) if self.by_epoch else self.start
        for count, index in enumerate(itertools.islice(self.sampler, passed, None), start=self.start):
            yield SampleIndex(index, self.seed, count * self.world_size + self.rank)

    def skip(self, num_samples: int) -> None:
        """As in ``ExactSampler``."""
        self.start = num_samples

    def set_epoch(self, epoch: int) -> None:
        """As in ``ExactSampler``."""
        self.start = epoch * len(self) if self.by_epoch else self.start
        if hasattr(self.sampler, 'set_epoch'):
            self.sampler.set_epoch(epoch)


class ExactDataset:
    """A data set, each sample of which is loaded under random generators of its own.

    All else is asked of the data set itself, ``metainfo`` by mmengine's loops for one.

    Args:
        dataset: a data set or its config; wrappers of mmengine and mmseg and what they draw besides are covered.
    """

    def __init__(self, dataset: Dataset | dict) -> None:
        self.dataset: Any = DATASETS.build(dataset) if isinstance(dataset, dict) else dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> Any:
        """The sample of an index; an index without a position is one that nobody drew for a training."""
        if not isinstance(index, SampleIndex):
            return self.dataset[index]
        with seeded(SeedSequence(index.seed, spawn_key=(SAMPLE, index.position, int(index)))):
            return self.dataset[int(index)]

    def __getattr__(self, name: str) -> Any:
        if name == 'dataset' or name.startswith('__'):  # not there yet in unpickling; fetching past __getitem__
            raise AttributeError(name)
        return getattr(self.dataset, name)


@contextmanager
def seeded(sequence: SeedSequence) -> Iterator[None]:
    """Set the global generators of python, numpy and torch (CPU) inside the block, and leave them as they were."""
    words = sequence.generate_state(8, np.uint64)
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        random.seed(words[:3].tobytes())
        np.random.seed(words[3:7].view(np.uint32))
        torch.default_generator.manual_seed(int(words[7]))
        try:
            yield
        finally:
            random.setstate(python)
            np.random.set_state(numpy)


def exact_dataloader(cfg: dict[str, Any], seed: int, by_epoch: bool) -> dict[str, Any]:
    """The config of a training data loader, with a data set and a sampler that make its data exact.

    Args:
        cfg: the config.
        seed: of the training, the same on all processes; a ``seed`` of the sampler goes first.
        by_epoch: whether the loop takes an epoch at a time.
    """
    sampler = dict(cfg['sampler'])
    own_seed = sampler.pop('seed', None)
    seed = seed if own_seed is None else own_seed
    kind = sampler['type'] if isinstance(sampler['type'], type) else DATA_SAMPLERS.get(sampler['type'])
    if kind in (InfiniteSampler, DefaultSampler):
        exact = dict(type=ExactSampler, batch_size=cfg.get('batch_size', 1), drop_last=cfg.get('drop_last', False))
        exact['shuffle'] = sampler.get('shuffle', True)
    else:
        exact = dict(type=CountedSampler, sampler=sampler)
    dataset = dict(type=ExactDataset, dataset=cfg['dataset'])
    return {**cfg, 'dataset': dataset, 'sampler': dict(exact, seed=seed, by_epoch=by_epoch)}


@lru_cache(maxsize=2)
def _order(size: int, seed: int, number: int) -> list[int]:
    """The order of a pass over the data set."""
    return np.random.default_rng(SeedSequence(seed, spawn_key=(ORDER, number))).permutation(size).tolist()
