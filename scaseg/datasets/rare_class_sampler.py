"""Rare-class sampling of DAFormer (Hoyer, Dai and Van Gool, CVPR 2022, arXiv 2111.14887, section 3.3)."""

import itertools
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
from mmengine.dist import get_dist_info
from mmseg.registry import DATA_SAMPLERS
from numpy.random import SeedSequence
from torch.utils.data import Sampler

from scaseg.errors import UserError

from .label_counts import count_labels

BLOCK = 4096  # positions whose random numbers are drawn together


@DATA_SAMPLERS.register_module()
class RareClassSampler(Sampler[int]):
    """Draws a class, the rarer the likelier, then an image that shows it: endless, for iteration-based trainings.

    Class c of frequency f_c, its share of the labelled pixels, is drawn with probability
    exp((1 - f_c) / T) / Σ exp((1 - f_c') / T) among the classes that occur (equation 8 of the paper). The image of
    position n of a training follows from the seed and n alone, on any number of processes and after any resumption.
    All label files are read once when the sampler is built.

    Args:
        dataset: data set with label files; mmengine passes it.
        seed: of the draws; the training's, where the config gives none.
        temperature: T; the lower, the more often rare classes are drawn. 0.01 in the paper.
        min_pixels: pixels of a class from which an image shows it; a class that nowhere has as many is shown by every
            image in which it occurs. 3000 in the paper.

    Raises:
        UserError: the temperature is not above 0, or no label file has a labelled pixel.
    """

    def __init__(self, dataset: Any, seed: int = 0, temperature: float = 0.01, min_pixels: int = 3000) -> None:
        if temperature <= 0:
            raise UserError(f'RareClassSampler: temperature={temperature}: expected a number above 0')
        self.size = len(dataset)
        self.seed = seed
        self.rank, self.world_size = get_dist_info()
        counts = count_labels(dataset)
        self.images = [_showing(column, min_pixels) for column in counts.T]
        self.probabilities = class_probabilities(counts.sum(0), temperature)
        self._draw = lru_cache(maxsize=2)(self._draw_block)

    def __len__(self) -> int:
        return self.size

    def __iter__(self) -> Iterator[int]:
        for position in itertools.count(self.rank, self.world_size):
            block, place = divmod(position, BLOCK)
            yield self._draw(block)[place]

    def _draw_block(self, block: int) -> list[int]:
        """Indices of ``BLOCK`` positions."""
        rng = np.random.default_rng(SeedSequence(self.seed, spawn_key=(block,)))
        classes = rng.choice(len(self.probabilities), BLOCK, p=self.probabilities)
        places = rng.random(BLOCK)
        return [int(self.images[c][int(u * len(self.images[c]))]) for c, u in zip(classes, places, strict=True)]


def class_probabilities(pixels: np.ndarray, temperature: float) -> np.ndarray:
    """Probability of each class to be drawn, (K,), from its pixels; 0 for classes that do not occur.

    Raises:
        UserError: no class occurs.
    """
    if not pixels.any():
        raise UserError('RareClassSampler: no label file has a labelled pixel')
    logits = np.where(pixels > 0, (1 - pixels / pixels.sum()) / temperature, -np.inf)
    weights = np.exp(logits - logits.max())
    return weights / weights.sum()


def _showing(pixels: np.ndarray, min_pixels: int) -> np.ndarray:
    """Indices of the images that show a class."""
    enough = np.flatnonzero(pixels >= max(1, min_pixels))
    return enough if len(enough) else np.flatnonzero(pixels)
