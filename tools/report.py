"""Compare trainings over their seeds: python tools/report.py docs/results/sweeps/toyscenes_heads"""

import argparse
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.experiments.report import report  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description='Compare variants with a baseline, paired by seed.')
    parser.add_argument('folders', type=Path, nargs='+', help="a sweep's results, or work folders named a-0 a-1 b-0 …")
    parser.add_argument('--baseline', help='variant to compare with (default: what the sweep says, or the first)')
    parser.add_argument('--out', type=Path, help='folder for the report (default: the first folder)')
    args = parser.parse_args()
    for sentence in report(args.folders, args.baseline, args.out):
        print(sentence)


if __name__ == '__main__':
    run_tool(main)
