"""What a report says in words; every sentence follows from the results."""

from collections.abc import Sequence

from .statistics import LEVEL, least_flip_p, least_seeds, verdict
from .study import Row, Study


def verdicts(study: Study, rows: Sequence[Row]) -> list[str]:
    """One sentence for each variant that is not the baseline."""
    compared = [(row.variant, row.comparison) for row in rows if row.comparison is not None]
    return [verdict(name, study.baseline, row, len(compared)) for name, row in compared]


def allowances(rows: Sequence[Row]) -> list[str]:
    """What the number of seeds allows one to say."""
    comparisons = [row.comparison for row in rows if row.comparison is not None]
    if not comparisons:
        return ['There is one variant: nothing is compared.']
    seeds = min(len(comparison.seeds) for comparison in comparisons)
    least = least_flip_p(seeds) if seeds else 1.0
    said = [
        f'Every comparison has {seeds} seed{"s" * (seeds != 1)} in common or more. Flipping the signs of so many '
        f'differences gives a two-sided p of {least:.3g} at the least'
        + (
            f', above 0.05: from {least_seeds()} seeds on it can be reached. Below, no difference is called one.'
            if least >= 1 - LEVEL
            else '.'
        ),
        f'A difference is called one where the paired t-test finds it{_corrected(len(comparisons))} and the exact '
        "sign-flip test finds it by itself, both at 5 %. Intervals over seeds are Student's, of the paired "
        'differences, and are not corrected.',
    ]
    if any(row.images for row in rows):
        said.append(
            'Intervals over images are BCa bootstraps of the mIoU of the data set, the networks as they are: what '
            'other images would have changed. They say nothing about other seeds.'
        )
    return said


def _corrected(comparisons: int) -> str:
    return f" after Holm's correction for all {comparisons} comparisons" if comparisons > 1 else ''


def provenance_lines(study: Study) -> list[str]:
    """Where the results come from, a line for each thing known."""
    return [f'{key}: {value}' for key, value in study.provenance.items()]
