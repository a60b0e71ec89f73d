"""What ``tools/data/check.py`` found, on the screen, as a page and as a table."""

import csv
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import cv2
import numpy as np
from markupsafe import Markup
from prettytable import PrettyTable

from scaseg.datasets import LoadLabels
from scaseg.datasets.bands import as_picture, decode_bands
from scaseg.datasets.decoding import DecodingError
from scaseg.datasets.inspection import Finding, SampleFacts
from scaseg.errors import UserError
from scaseg.visualization.class_shares import draw_class_shares
from scaseg.visualization.html import Section, image_tag, paragraph, render_page, table
from scaseg.visualization.predictions import overlay

from .data_splits import Split

EXAMPLES, WIDTH = 3, 360  # pictures of a fault, and their width in pixels
LEVELS = {'error': 'wrong', 'warning': 'probably wrong', 'note': 'note'}
WEIGHTS = ('weight (median frequency)', 'weight (effective number)')


def print_report(splits: Sequence[Split], findings: Sequence[Finding]) -> None:
    """Print the classes of the splits, the bands, and each fault as a sentence."""
    columns, rows = class_rows(splits)
    shown = PrettyTable(columns)
    for row in rows:
        shown.add_row([_short(value) for value in row])
    print(shown)
    for split in splits:
        bands = split.facts.mean_std()
        mean, std = ([round(band[place], 3) for band in bands] for place in (0, 1))
        print(f'{split.facts.name}: {len(split.infos)} images; mean={mean}, std={std} (R, G, B)')
    for finding in findings:
        print(f'{LEVELS[finding.level]}: {finding.text}')
    if not findings:
        print('no faults found')


def write_report(title: str, splits: Sequence[Split], findings: Sequence[Finding], folder: Path) -> Path:
    """Write ``report.html`` and ``classes.csv`` into a folder, which is made.

    Returns:
        The page.
    """
    folder.mkdir(parents=True, exist_ok=True)
    columns, rows = class_rows(splits)
    with (folder / 'classes.csv').open('w', newline='', encoding='utf-8') as file:
        csv.writer(file).writerows([columns, *rows])
    shares = draw_class_shares(splits[0].facts.classes, {split.facts.name: split.facts.pixels for split in splits})
    sections = [
        Section('Verdict', [_verdict(findings)]),
        *(_section(finding, splits) for finding in findings),
        Section('Classes', [table(columns, rows), image_tag(shares, 'share of the pixels of each class')]),
        Section('Files', [table(*_file_rows(splits))]),
    ]
    page = folder / 'report.html'
    page.write_text(render_page(title, sections), encoding='utf-8')
    return page


def class_rows(splits: Sequence[Split]) -> tuple[list[str], list[list]]:
    """Columns and rows of the table of classes; weights are those of the first split."""
    columns = ['id', 'class']
    for split in splits:
        name = split.facts.name
        columns += [f'{name}: pixels', f'{name}: %', f'{name}: files']
    first = splits[0].facts
    weights = (first.median_frequency_weights(), first.effective_number_weights())
    rows = []
    for label, name in enumerate(first.classes):
        row: list = [label, name]
        for split in splits:
            pixels = split.facts.pixels
            share = 100 * pixels[label] / max(1, pixels.sum())
            row += [int(pixels[label]), round(float(share), 4), int(split.facts.files[label])]
        rows.append([*row, *(round(float(weight[label]), 4) for weight in weights)])
    return [*columns, *WEIGHTS], rows


def _short(value: object) -> str:
    return '' if value != value else str(value)  # nan


def _verdict(findings: Sequence[Finding]) -> Markup:
    counts = Counter(finding.level for finding in findings)
    parts = [f'{counts[level]} {word}' for level, word in LEVELS.items() if counts[level]]  # type: ignore[index]
    return paragraph(', '.join(parts) or 'No faults found.')


def _file_rows(splits: Sequence[Split]) -> tuple[list[str], list[list]]:
    rows: list[list] = []
    for split in splits:
        sizes = Counter(sample.image_size for sample in split.facts.samples if sample.image_size)
        kinds = Counter(sample.image_kind for sample in split.facts.samples if sample.image_kind)
        most = ', '.join(f'{count} of {size[0]} x {size[1]}' for size, count in sizes.most_common(3))
        bands = ', '.join(f'{mean:.3f} ± {std:.3f}' for mean, std in split.facts.mean_std())
        ignored = 100 * split.facts.ignored / max(1, split.facts.ignored + int(split.facts.pixels.sum()))
        names = ', '.join(f'{count} {kind}' for kind, count in kinds.most_common())
        rows.append([split.facts.name, len(split.infos), most, names, bands, ignored])
    return ['split', 'images', 'sizes (H x W)', 'kinds', 'mean ± std of R, G, B', 'ignored %'], rows


def _section(finding: Finding, splits: Sequence[Split]) -> Section:
    title = f'{LEVELS[finding.level].capitalize()}: {finding.kind}'
    return Section(title, [paragraph(finding.text), *_pictures(finding, splits)])


def _pictures(finding: Finding, splits: Sequence[Split]) -> list[Markup]:
    """Labels laid over the images of the first examples, as far as they can be read."""
    parts: list[Markup] = []
    for sample in finding.examples[:EXAMPLES]:
        picture = _picture(sample, splits)
        if picture is not None:
            parts += [image_tag(picture, sample.image_path), paragraph(f'{sample.image_path} | {sample.label_path}')]
    return parts


def _picture(sample: SampleFacts, splits: Sequence[Split]) -> np.ndarray | None:
    """The image, with its labels where they have its size; ``None`` where it cannot be read."""
    try:
        image = decode_bands(Path(sample.image_path).read_bytes())
    except (DecodingError, OSError):
        return None
    if image.dtype != np.uint8 or image.shape[2] != 3:
        image = as_picture(image, [min(band, image.shape[2] - 1) for band in range(3)])
    height, width = round(image.shape[0] * WIDTH / image.shape[1]) or 1, WIDTH
    small = cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA)
    for split in splits:
        info = next((info for info in split.infos if info['img_path'] == sample.image_path), None)
        if info is not None and sample.label_size == sample.image_size and not sample.stray:
            try:
                labels = LoadLabels()(dict(info, seg_fields=[]))['gt_seg_map']
            except UserError:
                return small
            return overlay(small, cv2.resize(labels, (width, height), interpolation=cv2.INTER_NEAREST), split.palette)
    return small
