"""Write the report of a study: Markdown, CSV, LaTeX, plots and one HTML page, all from the same rows."""

import math
from collections.abc import Sequence
from pathlib import Path

from scaseg.errors import UserError, folder_problem
from scaseg.visualization.html import Cell, Section, image_tag, paragraph, render_page, table

from .pictures import draw_pictures
from .sentences import allowances, provenance_lines, verdicts
from .study import Row, Study, load_study, summarise
from .tables import class_differences, csv_text, latex, markdown, worst_images


def report(folders: Sequence[Path], baseline: str | None = None, out: Path | None = None) -> list[str]:
    """Compare the trainings of a sweep, or of work folders, and write what came of it.

    Args:
        folders: see ``load_study``.
        baseline: see ``load_study``.
        out: folder for ``report.md``, ``.csv``, ``.tex``, ``.html`` and the plots; ``None``: the first folder.

    Returns:
        The sentences that say how each variant compares with the baseline.

    Raises:
        UserError: see ``load_study``, or ``out`` cannot be written.
    """
    study = load_study(folders, baseline)
    out = out or folders[0]
    if problem := folder_problem(out):
        raise UserError(f'--out {out}: {problem}; name another one')
    out.mkdir(parents=True, exist_ok=True)
    rows = summarise(study)
    pictures = draw_pictures(study, rows, out)
    (out / 'report.md').write_text(markdown(study, rows, [path.name for path in pictures]), encoding='utf-8')
    (out / 'report.csv').write_text(csv_text(study, rows), encoding='utf-8')
    (out / 'report.tex').write_text(latex(study, rows), encoding='utf-8')
    (out / 'report.html').write_text(_page(study, rows, pictures), encoding='utf-8')
    return verdicts(study, rows)


def _page(study: Study, rows: Sequence[Row], pictures: Sequence[Path]) -> str:
    sections = [
        Section('Verdicts', [paragraph(text) for text in verdicts(study, rows)]),
        Section('Variants', [_main_table(rows)]),
        Section('What the numbers allow', [paragraph(text) for text in allowances(rows)]),
        Section('Plots', [image_tag(path, path.stem) for path in pictures]),
    ]
    if classes := class_differences(study):
        caption = f'IoU of {study.baseline} in percent, and differences to it, mean over seeds'
        body = [[name, *values] for name, values in classes]
        sections.append(Section('Classes', [table(['class', *study.variants], body, caption)]))
    if images := worst_images(study):
        caption = 'mIoU of the image by itself in percent, mean over seeds'
        body = [[name, *values] for name, values in images]
        sections.append(Section('Hardest images', [table(['image', *study.variants], body, caption)]))
    sections.append(Section('Where this comes from', [paragraph(line) for line in provenance_lines(study)]))
    return render_page(study.name, sections)


def _main_table(rows: Sequence[Row]) -> str:
    columns = ['variant', 'mIoU', 'sd', 'every seed', 'difference', '95 % over seeds', 'p (Holm)', 'p (sign flips)']
    columns += ['95 % over images', 'per-image mIoU', 'parameters (M)', 'GMACs', 'latency (ms)', 'peak (MiB)']
    columns += ['training (min)']
    body: list[list[object]] = []
    for row in rows:
        by, on = row.comparison, row.images
        seeds = ' '.join(f'{score:.2f}' for score in row.scores.values())
        compared: list[object] = [None] * 4
        if by is not None:
            compared = [_signed(by.difference), _interval(by.low, by.high), _p(by.p_holm), _p(by.p_flip)]
        over_images = _interval(on.low, on.high) if on else None
        costs = [row.parameters, row.gmacs, row.latency, row.peak, row.minutes]
        body.append([row.variant, row.mean, row.deviation, seeds, *compared, over_images, row.per_image, *costs])
    return table(columns, body)


def _signed(value: float) -> Cell:
    return Cell(f'{value:+.2f}', value)


def _interval(low: float, high: float) -> Cell:
    return Cell('' if math.isnan(low) else f'{low:+.2f} … {high:+.2f}', low)


def _p(value: float) -> Cell:
    return Cell('' if math.isnan(value) else f'{value:.2g}', value)
