"""The tables of a report as Markdown, CSV and LaTeX."""

import csv
import io
import math
from collections.abc import Sequence

import numpy as np

from .image_statistics import image_miou
from .sentences import allowances, provenance_lines, verdicts
from .statistics import t_interval
from .study import Row, Study

WORST_IMAGES = 10


def markdown(study: Study, rows: Sequence[Row], pictures: Sequence[str]) -> str:
    """The report as Markdown.

    Args:
        study: the results.
        rows: of the main table.
        pictures: names of PNG files beside the report.
    """
    head, *body = _cells(rows)
    lines = [f'# {study.name}', '', *(f'- {sentence}' for sentence in verdicts(study, rows)), '']
    lines += ['mIoU in percent at the end of the training, never the best of a validation.', '']
    lines += _markdown_table(head, body)
    lines += ['', '## What the numbers allow', '', *(f'{text}\n' for text in allowances(rows))]
    if classes := class_differences(study):
        lines += ['## Classes', '', f'IoU of {study.baseline}, and differences to it: mean over seeds.', '']
        body = [[name, _plain(base), *map(_signed, others)] for name, (base, *others) in classes]
        lines += _markdown_table(['class', *study.variants], body)
        lines.append('')
    if images := worst_images(study):
        lines += ['## Hardest images', '', 'mIoU of the image by itself, mean over seeds.', '']
        lines += _markdown_table(['image', *study.variants], [[name, *map(_plain, row)] for name, row in images])
        lines.append('')
    lines += ['## Pictures', '', *(f'![{name}]({name})\n' for name in pictures)]
    lines += ['## Where this comes from', '', *(f'- {line}' for line in provenance_lines(study)), '']
    return '\n'.join(lines)


def csv_text(study: Study, rows: Sequence[Row]) -> str:
    """One line a variant, unrounded, the seeds in columns of their own, where it comes from in the last ones."""
    seeds = sorted({seed for row in rows for seed in row.scores})
    origin = study.provenance
    columns = ['variant', 'mean', 'standard deviation', *(f'seed {seed}' for seed in seeds)]
    columns += ['difference', 'low', 'high', 'p t-test', 'p Holm', 'p sign flips', 'more seeds']
    columns += ['images low', 'images high', 'mean per-image mIoU', 'parameters (M)', 'GMACs', 'latency (ms)']
    columns += ['peak (MiB)', 'training (min)', *origin]
    out = io.StringIO()
    writer = csv.writer(out, lineterminator='\n')
    writer.writerow(columns)
    for row in rows:
        by, on = row.comparison, row.images
        compared = (
            [by.difference, by.low, by.high, by.p_value, by.p_holm, by.p_flip, by.more_seeds] if by else [''] * 7
        )
        values = [row.variant, row.mean, row.deviation, *(row.scores.get(seed, '') for seed in seeds), *compared]
        values += [on.low, on.high] if on else ['', '']
        values += [row.per_image, row.parameters, row.gmacs, row.latency, row.peak, row.minutes, *origin.values()]
        writer.writerow(['' if _is_missing(value) else value for value in values])
    return out.getvalue()


def latex(study: Study, rows: Sequence[Row]) -> str:
    """A booktabs table; a mean is bold only where it is distinguishably the best of all."""
    lines = [*(f'% {line}' for line in provenance_lines(study)), r'\begin{tabular}{lrrrr}', r'\toprule']
    lines += [r'variant & params (M) & GMACs & mIoU (\%) & difference, 95\,\% interval \\', r'\midrule']
    for row in rows:
        spread = '' if math.isnan(row.deviation) else rf' \pm {row.deviation:.2f}'
        mean = rf'\mathbf{{{row.mean:.2f}}}' if row.is_best else f'{row.mean:.2f}'
        by = row.comparison
        difference = '' if by is None else f'${by.difference:+.2f}$ [${by.low:+.2f}$, ${by.high:+.2f}$]'
        name = row.variant.replace('_', r'\_')
        lines.append(rf'{name} & {row.parameters:.2f} & {row.gmacs:.3g} & ${mean}{spread}$ & {difference} \\')
    seeds = min(len(row.scores) for row in rows)
    lines += [r'\bottomrule', r'\end{tabular}']
    lines += [f'% mean and standard deviation over {seeds} seeds or more; differences to {study.baseline} are paired.']
    return '\n'.join(lines) + '\n'


def class_differences(study: Study) -> list[tuple[str, list[float]]]:
    """For each class the IoU of the baseline, then each variant's difference to it, mean over common seeds."""
    base = study.results[study.baseline]
    names = dict.fromkeys(name for result in base.values() for name in result.class_iou)
    return [
        (
            name,
            [
                float(np.mean([result.class_iou[name] for result in base.values()])),
                *(class_interval(study, variant, name)[0] for variant in study.others),
            ],
        )
        for name in names
    ]


def class_interval(study: Study, variant: str, name: str) -> tuple[float, float, float]:
    """Difference of a class's IoU to the baseline, with Student's interval over common seeds; NaN without any."""
    runs, base = study.results[variant], study.results[study.baseline]
    pairs = [(runs[seed].class_iou, base[seed].class_iou) for seed in sorted(runs.keys() & base.keys())]
    differences = np.array([a[name] - b[name] for a, b in pairs if name in a and name in b])
    return (float(differences.mean()) if len(differences) else math.nan, *t_interval(differences))


def worst_images(study: Study, most: int = WORST_IMAGES) -> list[tuple[str, list[float]]]:
    """The images that the baseline finds hardest, with the mIoU of every variant, mean over seeds."""
    if study.baseline not in study.matrices:
        return []
    images = next(iter(study.matrices[study.baseline].values())).images
    scores = {
        variant: np.mean(
            [image_miou(study.matrices[variant][seed].matrices) for seed in study.matrices[variant]], axis=0
        )
        for variant in study.variants
        if variant in study.matrices
    }
    missing = np.full(len(images), math.nan)
    hardest = np.argsort(scores[study.baseline], kind='stable')[:most]
    return [
        (images[index], [float(scores.get(variant, missing)[index]) for variant in study.variants])
        for index in hardest
    ]


def _cells(rows: Sequence[Row]) -> list[list[str]]:
    """Head and body of the main table, without the columns that have nothing in them."""
    head = ['variant', 'mIoU', 'every seed', 'difference', '95 % over seeds', 'p (Holm)', 'p (sign flips)']
    head += ['95 % over images', 'per-image mIoU', 'parameters (M)', 'GMACs', 'latency (ms)', 'peak (MiB)']
    table = [[*head, 'training (min)']]
    for row in rows:
        by, on = row.comparison, row.images
        deviation = '' if math.isnan(row.deviation) else f' ± {row.deviation:.2f}'
        seeds = ' '.join(f'{score:.2f}' for score in row.scores.values())
        compared = (
            [f'{by.difference:+.2f}', _interval(by.low, by.high), _p(by.p_holm), _p(by.p_flip)] if by else [''] * 4
        )
        over_images = _interval(on.low, on.high) if on else ''
        costs = [f'{row.parameters:.2f}', f'{row.gmacs:.3g}', _plain(row.latency), _plain(row.peak)]
        line = [row.variant, f'{row.mean:.2f}{deviation}', seeds, *compared, over_images, _plain(row.per_image)]
        table.append([*line, *costs, f'{row.minutes:.1f}'])
    kept = [column for column in zip(*table, strict=True) if any(column[1:])]
    return [list(line) for line in zip(*kept, strict=True)]


def _markdown_table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = ['| ' + ' | '.join(head) + ' |', '| --- ' + '| ---: ' * (len(head) - 1) + '|']
    return lines + ['| ' + ' | '.join(row) + ' |' for row in body]


def _interval(low: float, high: float) -> str:
    return '' if math.isnan(low) else f'{low:+.2f} … {high:+.2f}'


def _p(value: float) -> str:
    return '' if math.isnan(value) else f'{value:.2g}'


def _plain(value: float) -> str:
    return '' if math.isnan(value) else f'{value:.2f}'


def _signed(value: float) -> str:
    return '' if math.isnan(value) else f'{value:+.2f}'


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))
