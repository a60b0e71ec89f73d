"""Draw loss, learning rate and validation mIoU of one or several trainings as one PNG.

    python tools/analysis/plot_curves.py WORK_DIR [WORK_DIR ...] [--out curves.png] [--labels A B ...]

A resumed training is one curve. Runs while a training is going on.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from scaseg.errors import UserError
from scaseg.visualization import plot_curves


def parse_args(argv: Sequence[str] | None = None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('work_dirs', metavar='WORK_DIR', type=Path, nargs='+', help='work directory of a training')
    parser.add_argument('--out', type=Path, help='PNG to write (default: curves.png in the first work directory)')
    parser.add_argument('--labels', nargs='+', help='a name for each work directory (default: the name of its folder)')
    return parser.parse_args(argv)


def main(argv: Sequence[str] | None = None) -> int:
    args = parse_args(argv)
    out = args.out or args.work_dirs[0] / 'curves.png'
    try:
        plot_curves(args.work_dirs, out, args.labels)
    except UserError as error:
        print(f'error: {error}', file=sys.stderr)
        return 2
    print(out)
    return 0


if __name__ == '__main__':
    sys.exit(main())
