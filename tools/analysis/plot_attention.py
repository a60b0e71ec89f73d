"""Draw how strip attention was used in a training: python tools/analysis/plot_attention.py WORK_DIR"""

import argparse
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.visualization.strip_curves import plot_strip_curves  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Spread of queries and keys, entropy and saturation over the iterations of a training, whose '
        "config needs custom_hooks=[dict(type='StripStatisticsHook')]."
    )
    parser.add_argument('work_dir', type=Path, help='work folder of the training')
    parser.add_argument('--out', type=Path, help='PNG to write (default: attention.png in the work folder)')
    args = parser.parse_args()
    out = args.out or args.work_dir / 'attention.png'
    plot_strip_curves(args.work_dir, out)
    print(out)


if __name__ == '__main__':
    run_tool(main)
