"""Fill in the tables of docs/benchmarks/README.md and draw its plot: python tools/analysis/benchmarks.py

From docs/results/benchmarks/*.csv, which the tools in tools/analysis append to with --csv, and configs/*/metafile.yml.
"""

import argparse
import csv
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml
from matplotlib.figure import Figure

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.errors import UserError  # noqa: E402

REPOSITORY = Path(__file__).parents[2]

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


Point = tuple[float, float, str]  # GMACs, mIoU in percent, name


def draw_accuracy_cost(methods: Mapping[str, Sequence[Point]], title: str, path: Path) -> None:
    """Draw a PNG with the cost on a logarithmic axis.

    Args:
        methods: name -> points (GMACs, mIoU in percent, name of the encoder), joined in the order of their cost.
        title: what the figures are of, and whose they are.
        path: file to write.
    """
    figure = Figure(figsize=(8, 5), dpi=120, layout='constrained')
    axes = figure.subplots()
    for method, points in methods.items():
        costs, scores, names = zip(*sorted(points), strict=True)
        axes.plot(costs, scores, marker='o', label=method)
        for index, (cost, score, name) in enumerate(zip(costs, scores, names, strict=True)):
            # by turns below and above, so that neighbours of one method do not meet
            offset, side = ((4, -9), 'left') if index % 2 == 0 else ((-4, 4), 'right')
            axes.annotate(name, (cost, score), textcoords='offset points', xytext=offset, ha=side, fontsize=7)
    axes.set_xscale('log')
    axes.set_xlabel('GMACs, counted here')
    axes.set_ylabel('mIoU (%), published')
    axes.set_title(title)
    axes.grid(alpha=0.3)
    axes.legend()
    figure.savefig(path, metadata={'Software': None})


def main() -> None:
    argparse.ArgumentParser(description=__doc__).parse_args()
    metafiles = sorted(REPOSITORY.glob('configs/*/metafile.yml'))
    page = REPOSITORY / 'docs' / 'benchmarks' / 'README.md'
    page.write_text(fill_tables(page.read_text(), REPOSITORY / 'docs' / 'results' / 'benchmarks', metafiles))
    methods: dict[str, dict[str, tuple[float, float, str]]] = {}
    for row in (row for path in metafiles for row in published_rows(path, 'ade20k', '512x512')):
        points = methods.setdefault(row['method'], {})
        if row['batch'] == 16:  # of several sources the first
            points.setdefault(row['encoder'], (row['GMACs'], row['published mIoU'], row['encoder']))
    title = 'ADE20K, 512x512, batch of 16, single scale: published, not run here'
    drawn = {method: list(points.values()) for method, points in methods.items()}
    draw_accuracy_cost(drawn, title, page.parent / 'accuracy_cost.png')


if __name__ == '__main__':
    run_tool(main)
