"""Look at a folder of images and labels, and write down what is in it: python tools/data/describe.py data/farm"""

import argparse
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.apis.describe_data import describe_data  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('folder', type=Path, help='folder of images and labels, see docs/own_data.md')
    parser.add_argument('--force', action='store_true', help='replace the dataset.yaml that is there')
    args = parser.parse_args()
    describe_data(args.folder, args.force)


if __name__ == '__main__':
    run_tool(main)
