"""What a handful of seeds allows one to say about two variants.

The interval over seeds is Student's, of the paired differences. The BCa bootstrap, which is the better choice for many
samples, holds its promise poorly for few: over 6 normal differences its 95 % interval covers the truth in some 89 % of
studies, Student's in 95 %. Tests hold both figures. The bootstrap serves for images, of which there are hundreds.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats

LEVEL = 0.95
EXACT_UP_TO = 100_000  # sign flips: all of them up to 16 seeds, so many random ones beyond
MOST_SEEDS = 1000


@dataclass(frozen=True)
class Comparison:
    """A variant against another one, paired by seed; differences are in the unit of the scores.

    Attributes:
        seeds: that both were trained with.
        difference: mean of variant minus baseline; NaN without a common seed.
        low: lower end of the 95 % interval of the mean; NaN with less than two seeds.
        high: upper end.
        p_value: of the paired t-test, two-sided.
        p_holm: the same after Holm's correction for all comparisons made together.
        p_flip: of the exact sign-flip permutation test, two-sided, of this comparison alone.
        more_seeds: that would settle it, corrected as it is here, if mean and spread stayed as they are; ``None``
            where more than a thousand are needed or nothing is known of the spread.
    """

    seeds: tuple[int, ...]
    difference: float
    low: float
    high: float
    p_value: float
    p_holm: float
    p_flip: float
    more_seeds: int | None

    @property
    def is_distinguishable(self) -> bool:
        """Whether both tests find a difference at the level of 5 %: the t-test corrected, sign flips alone."""
        return self.p_holm < 1 - LEVEL and self.p_flip < 1 - LEVEL


def least_flip_p(seeds: int) -> float:
    """The smallest two-sided p that flipping the signs of so many differences can give."""
    return min(1.0, 2.0 ** (1 - seeds))


def least_seeds() -> int:
    """Seeds from which a two-sided p below 0.05 can be reached by sign flips: 6."""
    return next(n for n in range(1, 20) if least_flip_p(n) < 1 - LEVEL)


def t_interval(differences: np.ndarray) -> tuple[float, float]:
    """Student's 95 % interval of the mean of (n,) differences; NaN for n below 2."""
    n = len(differences)
    if n < 2:
        return math.nan, math.nan
    half = stats.t.ppf((1 + LEVEL) / 2, n - 1) * differences.std(ddof=1) / math.sqrt(n)
    return float(differences.mean() - half), float(differences.mean() + half)


def flip_p(differences: np.ndarray) -> float:
    """Two-sided p of the mean of (n,) paired differences under all flips of their signs."""
    if len(differences) < 2 or not differences.any():  # nothing to flip, or nothing that flips
        return 1.0
    zeros = np.zeros_like(differences)
    result = stats.permutation_test(
        (differences, zeros),
        lambda a, b, axis: np.mean(a - b, axis=axis),
        permutation_type='samples',
        n_resamples=EXACT_UP_TO,
        vectorized=True,
        rng=np.random.default_rng(0),
    )
    return float(result.pvalue)


def compare(scores: Mapping[str, Mapping[int, float]], baseline: str) -> dict[str, Comparison]:
    """Compare every variant with the baseline.

    Args:
        scores: variant -> seed -> score.
        baseline: name of the variant to compare with; it is in no row of the result.
    """
    others = [name for name in scores if name != baseline]
    rows = {name: _compare_two(scores[name], scores[baseline], len(others)) for name in others}
    corrected = holm([row.p_value for row in rows.values()])
    return {name: replace(row, p_holm=p) for (name, row), p in zip(rows.items(), corrected, strict=True)}


def holm(p_values: Sequence[float]) -> list[float]:
    """Holm's correction: p values under which the chance of a single false finding among all stays as promised.

    NaN, of a comparison that cannot be tested, stays NaN and counts as one of them.
    """
    order = sorted(range(len(p_values)), key=lambda i: math.inf if math.isnan(p_values[i]) else p_values[i])
    corrected, highest = [math.nan] * len(p_values), 0.0
    for rank, index in enumerate(order):
        if not math.isnan(p_values[index]):
            highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
            corrected[index] = highest
    return corrected


def is_best(scores: Mapping[str, Mapping[int, float]], name: str) -> bool:
    """Whether a variant is better than each of the others, distinguishably and after Holm's correction."""
    rows = compare(scores, name).values()
    return bool(rows) and all(row.is_distinguishable and row.difference < 0 for row in rows)


def verdict(name: str, baseline: str, row: Comparison, comparisons: int, unit: str = 'mIoU') -> str:
    """One sentence that says what a comparison shows, and no more.

    Args:
        name: the variant.
        baseline: what it is compared with.
        row: their comparison.
        comparisons: made together, for which p is corrected.
        unit: of the scores.
    """
    seeds = len(row.seeds)
    if seeds < 2:
        return f'{name} against {baseline}: nothing can be said from {seeds} seed{"s" * (seeds != 1)} in common.'
    tests = (
        f'95 % interval {row.low:+.2f} to {row.high:+.2f}, {seeds} seeds; paired t-test p = {_p(row.p_holm)} after '
        f'Holm for {comparisons} comparison{"s" * (comparisons != 1)}, sign flips p = {_p(row.p_flip)}'
    )
    if row.is_distinguishable:
        word = 'better' if row.difference > 0 else 'worse'
        return f'{name} is {word} than {baseline} by {abs(row.difference):.2f} {unit} ({tests}).'
    return f'{name} is not distinguishable from {baseline}: {row.difference:+.2f} {unit} ({tests}){_outlook(row)}.'


def _outlook(row: Comparison) -> str:
    if row.more_seeds is None:
        return f'; even {MOST_SEEDS} seeds would hardly settle it'
    if row.more_seeds == 0:
        return ''
    return f'; about {row.more_seeds} more seed{"s" * (row.more_seeds != 1)} would settle it if mean and spread stay'


def _p(value: float) -> str:
    return f'{value:.1e}' if value < 1e-3 else f'{value:.3f}'


def _compare_two(variant: Mapping[int, float], baseline: Mapping[int, float], comparisons: int) -> Comparison:
    seeds = tuple(sorted(variant.keys() & baseline.keys()))
    differences = np.array([variant[seed] - baseline[seed] for seed in seeds])
    mean = float(differences.mean()) if len(seeds) else math.nan
    p_value = _t_test_p(differences)
    more = _more_seeds(differences, comparisons)
    return Comparison(seeds, mean, *t_interval(differences), p_value, math.nan, flip_p(differences), more)


def _t_test_p(differences: np.ndarray) -> float:
    if len(differences) < 2:
        return math.nan
    if differences.std() == 0:  # scipy divides by it
        return float(not differences.any())
    return float(stats.ttest_1samp(differences, 0.0).pvalue)


def _more_seeds(differences: np.ndarray, comparisons: int) -> int | None:
    """Seeds beyond those seen until Bonferroni's t-test finds the difference and sign flips can reach 0.05."""
    seen = len(differences)
    if seen < 2 or not differences.mean():
        return None
    mean, spread = abs(float(differences.mean())), float(differences.std(ddof=1))
    for n in range(max(seen, least_seeds()), MOST_SEEDS + 1):
        if stats.t.ppf(1 - (1 - LEVEL) / (2 * comparisons), n - 1) * spread / math.sqrt(n) < mean:
            return n - seen
    return None
