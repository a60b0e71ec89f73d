"""Make a public data set out of its archives, as downloaded.

python tools/data/prepare.py ade20k --src downloads --dst data/ade/ADEChallengeData2016
"""

import argparse
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.datasets.preparation import RECIPES, prepare  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('dataset', choices=sorted(RECIPES))
    parser.add_argument('--src', type=Path, required=True, help='folder of the archives')
    parser.add_argument('--dst', type=Path, required=True, help='folder of the data set, see docs/datasets.md')
    parser.add_argument('--partial', action='store_true', help='accept a part of the data set')
    args = parser.parse_args()
    counts = prepare(args.dataset, args.src, args.dst, args.partial)
    print(f'{args.dst}/')
    for folder, count in counts.items():
        print(f'├── {folder}  {count} files')


if __name__ == '__main__':
    run_tool(main)
