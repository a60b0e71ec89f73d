"""Fill in the tables of docs/benchmarks/README.md and draw its plot: python tools/analysis/benchmarks.py

From docs/results/benchmarks/*.csv, which the tools in tools/analysis append to with --csv, and configs/*/metafile.yml.
"""

import argparse

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.benchmark import REPOSITORY  # noqa: E402
from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.apis.result_tables import fill_tables, published_rows  # noqa: E402
from scaseg.visualization.accuracy_cost import draw_accuracy_cost  # noqa: E402


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
