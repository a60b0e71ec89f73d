"""The statistics of a report: closed forms, scipy, and coverage on made-up studies."""

import itertools
import math

import numpy as np
import pytest
import torch
from scipy import stats

from scaseg.errors import UserError
from scaseg.evaluation import ImageMatrices
from scaseg.evaluation.figures import mean_figures
from scaseg.experiments.image_statistics import compare_images, image_miou
from scaseg.experiments.statistics import (
    compare,
    flip_p,
    holm,
    is_best,
    least_flip_p,
    least_seeds,
    t_interval,
    verdict,
)

STUDIES, SEEDS = 1000, 6


@pytest.mark.parametrize('law', ['normal', 'uniform', 'laplace'])
def test_the_interval_over_six_seeds_covers_the_truth(law: str) -> None:
    differences = 1.5 + getattr(np.random.default_rng(0), law)(size=(STUDIES, SEEDS))
    truth = 2.0 if law == 'uniform' else 1.5
    covered = sum(low <= truth <= high for low, high in map(t_interval, differences))
    assert 920 <= covered <= 980


def test_the_bootstrap_over_six_seeds_does_not() -> None:
    """Why the interval over seeds is Student's."""
    differences = np.random.default_rng(0).normal(1.5, 1, (STUDIES, SEEDS))
    covered = 0
    for sample in differences:
        interval = stats.bootstrap((sample,), np.mean, n_resamples=500, method='BCa', vectorized=True, rng=0)
        covered += interval.confidence_interval.low <= 1.5 <= interval.confidence_interval.high
    assert 860 <= covered < 920


def test_the_interval_is_scipys() -> None:
    sample = np.array([0.3, 1.2, -0.4, 0.9])
    assert t_interval(sample) == pytest.approx(tuple(stats.ttest_1samp(sample, 0).confidence_interval()))
    assert all(map(math.isnan, t_interval(sample[:1])))


def test_sign_flips_are_exact() -> None:
    sample = np.array([0.31, 1.2, -0.4, 0.92, 2.2, 0.05])
    signs = np.array(list(itertools.product([1, -1], repeat=len(sample))))
    as_large = np.abs((signs * sample).mean(axis=1)) >= abs(sample.mean()) - 1e-12
    assert flip_p(sample) == pytest.approx(as_large.mean())
    assert flip_p(np.arange(1.0, 7.0)) == pytest.approx(least_flip_p(6)) == pytest.approx(2 / 64)
    assert flip_p(np.zeros(6)) == 1


def test_six_seeds_are_the_least_that_reach_five_percent() -> None:
    assert least_seeds() == 6
    assert least_flip_p(5) > 0.05 > least_flip_p(6)


def test_holm_is_the_closed_form() -> None:
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.5, 0.9]) == pytest.approx([1.0, 1.0])
    assert holm([]) == []
    assert holm([0.02, math.nan]) == pytest.approx([0.04, math.nan], nan_ok=True)


def test_false_findings_are_as_rare_as_promised() -> None:
    """Of studies in which five variants are all as good as the baseline, some 5 % find a difference, not more."""
    values = np.random.default_rng(1).normal(70, 1, (STUDIES, 6, SEEDS))
    p_values = stats.ttest_rel(values[:, 1:], values[:, :1], axis=2).pvalue
    found = sum(min(holm(row.tolist())) < 0.05 for row in p_values)
    assert found <= 0.05 * STUDIES + 3 * math.sqrt(0.05 * 0.95 * STUDIES)


def test_pairing_finds_what_the_spread_of_seeds_hides() -> None:
    rng = np.random.default_rng(0)
    seeds = rng.normal(0, 5, SEEDS)
    base = dict(enumerate(70 + seeds))
    better = dict(enumerate(71 + seeds + rng.normal(0, 0.2, SEEDS)))
    row = compare({'base': base, 'better': better}, 'base')['better']
    assert row.is_distinguishable
    assert row.low < 1 < row.high
    assert row.p_value == pytest.approx(stats.ttest_rel(list(better.values()), list(base.values())).pvalue)
    assert is_best({'base': base, 'better': better}, 'better')
    assert not is_best({'base': base, 'better': better}, 'base')


def scores(*differences: float) -> dict[str, dict[int, float]]:
    base = {seed: 70.0 + seed for seed in range(len(differences))}
    return {'base': base, 'other': {seed: base[seed] + x for seed, x in enumerate(differences)}}


def test_verdicts_say_what_was_found_and_no_more() -> None:
    def say(*differences: float) -> str:
        return verdict('other', 'base', compare(scores(*differences), 'base')['other'], 1)

    assert say(1.0, 1.1, 0.9, 1.0, 1.2, 0.8).startswith('other is better than base by 1.00 mIoU (95 % interval +0.85')
    assert say(-1.0, -1.1, -0.9, -1.0, -1.2, -0.8).startswith('other is worse than base by 1.00 mIoU')
    few = say(1.0, 1.1, 0.9)  # as clear as the first, but three signs prove nothing
    assert few.startswith('other is not distinguishable from base: +1.00 mIoU')
    assert few.endswith('about 3 more seeds would settle it if mean and spread stay.')
    assert say(1.0, -1.0, 0.5, -0.4, 0.1, -0.1).endswith('even 1000 seeds would hardly settle it.')
    assert say(1.0) == 'other against base: nothing can be said from 1 seed in common.'
    assert say(0.0, 0.0, 0.0, 0.0, 0.0, 0.0).startswith('other is not distinguishable from base: +0.00')


def test_only_common_seeds_are_compared() -> None:
    row = compare({'base': {0: 1.0, 1: 2.0}, 'other': {1: 5.0, 2: 9.0}}, 'base')['other']
    assert (row.seeds, row.difference) == ((1,), 3.0)
    assert compare({'base': {0: 1.0}, 'other': {1: 5.0}}, 'base')['other'].seeds == ()


def matrices(seed: int, images: int = 40, hits: float = 0.7) -> ImageMatrices:
    rng = np.random.default_rng(seed)
    truth = rng.integers(0, 200, (images, 3))
    truth[:, 2] *= rng.random(images) < 0.5  # a class that half of the images lack
    right = np.minimum(rng.binomial(truth, hits), truth)
    matrix = np.zeros((images, 3, 3), np.int64)
    for index in range(3):
        matrix[:, index, index] = right[:, index]
        matrix[:, index, (index + 1) % 3] = truth[:, index] - right[:, index]
    return ImageMatrices([f'{n:03d}.png' for n in range(images)], ['a', 'b', 'c'], matrix)


def miou(one: ImageMatrices) -> float:
    return mean_figures(torch.from_numpy(one.matrices.sum(0)))['mIoU']


def test_the_difference_over_images_is_that_of_the_data_set() -> None:

    better, base = {0: matrices(0, hits=0.8), 1: matrices(1, hits=0.8)}, {0: matrices(0), 1: matrices(1)}
    found = compare_images(better, base, resamples=200)
    assert found is not None
    assert found.difference == pytest.approx((miou(better[0]) - miou(base[0]) + miou(better[1]) - miou(base[1])) / 2)
    assert found.low < found.difference < found.high
    assert found.low > 0  # the same images, four in five pixels right for seven in ten
    assert found.images == 40
    same = compare_images(base, base)
    assert same is not None
    assert (same.low, same.difference, same.high) == (0, 0, 0)


def test_the_interval_over_images_covers_the_truth() -> None:
    """Of made-up data sets of forty images; the truth is the difference over very many of them."""
    truth = miou(matrices(10**6, 100_000, 0.8)) - miou(matrices(10**6 + 1, 100_000, 0.7))
    found = [compare_images({0: matrices(i, hits=0.8)}, {0: matrices(i + 999)}, resamples=200) for i in range(100)]
    covered = sum(one.low <= truth <= one.high for one in found if one is not None)
    assert 88 <= covered <= 99


def test_other_images_are_not_compared() -> None:
    with pytest.raises(UserError, match='seed 0: the variants were not evaluated on the same images'):
        compare_images({0: matrices(0, 40)}, {0: matrices(0, 39)})
    assert compare_images({0: matrices(0)}, {1: matrices(0)}) is None


def test_miou_of_each_image_leaves_out_absent_classes() -> None:
    matrix = np.array([[[8, 2, 0], [0, 0, 0], [0, 0, 10]], [[0, 0, 0], [0, 0, 0], [0, 0, 0]]])
    first, second = image_miou(matrix)
    assert first == pytest.approx(100 * (8 / 10 + 10 / 10) / 2)  # class b is predicted, but not in the truth
    assert math.isnan(second)
