"""Tables of a Markdown page, filled in from result files.

A page marks the place of a table by ``<!-- table FILE.csv COLUMN=VALUE … -->`` and ``<!-- end -->``; between them come
the rows of the file that have these values. ``<!-- published DATASET CROP -->`` is the place of the published figures
of all metafiles on one data set.
"""

import csv
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

from scaseg.errors import UserError

CIRCUMSTANCES = ('date', 'commit', 'machine', 'threads', 'torch', 'python', 'mmseg', 'mmcv', 'mmengine', 'timm')
TABLE = re.compile(r'(<!-- table (\S+)((?: \S+=\S+)*) -->\n).*?(<!-- end -->)', re.DOTALL)
PUBLISHED = re.compile(r'(<!-- published (\S+) (\S+) -->\n).*?(<!-- end -->)', re.DOTALL)


def fill_tables(page: str, results: Path, metafiles: Sequence[Path]) -> str:
    """The page with its tables as the files are now.

    Args:
        page: Markdown text.
        results: folder of the CSV files that it names.
        metafiles: ``metafile.yml`` of the methods.

    Raises:
        UserError: the page names a file that is not there, or values that no row has.
    """
    page = TABLE.sub(lambda mark: mark[1] + _measured(results / mark[2], mark[3].split()) + mark[4], page)
    rows = {
        (mark[2], mark[3]): [row for path in metafiles for row in published_rows(path, mark[2], mark[3])]
        for mark in PUBLISHED.finditer(page)
    }
    return PUBLISHED.sub(lambda mark: mark[1] + _markdown(rows[mark[2], mark[3]]) + mark[4], page)


def published_rows(metafile: Path, dataset: str, crop: str) -> list[dict[str, Any]]:
    """Published figures of a method on one data set, with our own count of its cost."""
    models = yaml.safe_load(metafile.read_text())['Models']
    return [
        {
            'method': model['In Collection'],
            'encoder': model['Metadata']['Architecture'][0],
            'batch': model['Metadata']['Batch Size'],
            'parameters (M)': model['Metadata']['Parameters (M)'],
            'GMACs': model['Metadata']['GMACs'],
            'published GFLOPs': figure.get('GFLOPs', ''),
            'published mIoU': figure['Metrics']['mIoU'],
            'multi-scale': figure['Metrics'].get('mIoU(ms+flip)', ''),
            'source': figure['Source'],
        }
        for model in models
        if (model['Metadata']['Training Data'], model['Metadata']['Crop']) == (dataset, crop)
        for figure in model.get('Published', [])
    ]


def _measured(path: Path, conditions: Sequence[str]) -> str:
    if not path.is_file():
        raise UserError(f'{path}: the page has a table of it, but there is no such file')
    wanted = dict(condition.split('=', maxsplit=1) for condition in conditions)
    with path.open(newline='') as file:
        rows = [row for row in csv.DictReader(file) if wanted.items() <= row.items()]
    if not rows:
        raise UserError(f'{path}: no row with {", ".join(conditions)}')
    about = {key: sorted({row[key] for row in rows}) for key in CIRCUMSTANCES if key in rows[0]}
    line = ', '.join(f'{key} {" and ".join(values)}' for key, values in about.items())
    hidden = {*CIRCUMSTANCES, *wanted}
    shown = [{key: value for key, value in row.items() if key not in hidden} for row in rows]
    return f'{_markdown(shown)}\n{line}.\n'


def _markdown(rows: Sequence[dict[str, Any]]) -> str:
    lines = [list(rows[0]), ['---'] * len(rows[0]), *(map(str, row.values()) for row in rows)]
    return '\n'.join(f'| {" | ".join(cells)} |' for cells in lines) + '\n'
