"""Resizing and the choice of the class together: the labels of the naive form, bit for bit."""

from itertools import product

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scaseg.benchmarking.timing import peak_memory
from scaseg.ops import upsample_argmax
from scaseg.ops.upsample_argmax import argmax_of_planes, naive

# from (h, w) to (H, W): down, odd, one pixel, the same, both sides of the 128 where torch takes another kernel
SIZES = [
    ((1, 1), (5, 200)),
    ((9, 7), (1, 1)),
    ((33, 17), (12, 9)),
    ((16, 24), (64, 64)),
    ((16, 24), (64, 65)),
    ((33, 49), (131, 197)),
    ((200, 140), (101, 97)),
    ((60, 80), (60, 80)),
]


@pytest.mark.parametrize('dtype', [torch.float32, torch.float64, torch.float16, torch.bfloat16])
@pytest.mark.parametrize('num_classes', [1, 2, 3, 4, 19])
def test_labels_are_those_of_the_naive_form(num_classes: int, dtype: torch.dtype) -> None:
    for (source, size), align_corners, batch in product(SIZES, (False, True), (1, 2)):
        scores = torch.randn(batch, num_classes, *source).to(dtype)
        found = upsample_argmax(scores, size, align_corners)
        expected = naive.upsample_argmax(scores, size, align_corners)
        assert torch.equal(found, expected), (source, size, align_corners, batch)


def test_the_naive_form_is_interpolate_then_argmax() -> None:
    scores = torch.randn(2, 7, 11, 13)
    expected = F.interpolate(scores, (45, 91), mode='bilinear').argmax(dim=1)
    assert torch.equal(naive.upsample_argmax(scores, (45, 91)), expected)


@pytest.mark.parametrize('levels', [1, 2, 3], ids=['all equal', 'two values', 'three values'])
def test_the_first_of_equal_scores_wins(levels: int) -> None:
    scores = torch.randint(levels, (2, 9, 20, 30)).float()
    for size in ((90, 121), (20, 30), (33, 200)):
        assert torch.equal(upsample_argmax(scores, size), naive.upsample_argmax(scores, size))


def test_the_layout_in_memory_makes_no_difference() -> None:
    scores = torch.randn(2, 19, 33, 49)
    spread = torch.empty(2, 19, 66, 98)[:, :, ::2, ::2].copy_(scores)
    for other in (scores.contiguous(memory_format=torch.channels_last), spread):
        assert torch.equal(upsample_argmax(other, (131, 197)), upsample_argmax(scores, (131, 197)))


@pytest.mark.parametrize('at_once', [1, 2, 5, 16, 19, 40])
@pytest.mark.parametrize('num_classes', [2, 19, 300])
def test_any_number_of_classes_at_once(num_classes: int, at_once: int) -> None:
    scores = torch.randint(4, (2, num_classes, 12, 13)).float()
    asked: list[int] = []

    def planes(classes: slice) -> Tensor:
        asked.append(classes.stop - classes.start)
        return scores[:, classes].clone()

    assert torch.equal(argmax_of_planes(planes, num_classes, at_once), scores.argmax(dim=1))
    assert sum(asked) == num_classes and max(asked) <= at_once


def test_memory_does_not_grow_with_the_classes() -> None:
    """The labels in int64 are two planes of float32, what leads to them is another two and a half."""
    plane = 256 * 300 * 4
    scores = torch.randn(1, 50, 64, 75)
    assert peak_memory(lambda: upsample_argmax(scores, (256, 300)), scores.device) <= 4.5 * plane
    assert peak_memory(lambda: naive.upsample_argmax(scores, (256, 300)), scores.device) > 50 * plane


def test_a_map_of_one_position_is_both_layouts_and_one_kernel() -> None:
    for seed in range(5):
        scores = torch.randn(1, 150, 1, 1, generator=torch.Generator().manual_seed(seed))
        assert torch.equal(upsample_argmax(scores, (97, 211)), naive.upsample_argmax(scores, (97, 211)))
