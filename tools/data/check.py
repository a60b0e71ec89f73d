"""Read all files of a data set and say what is wrong with it.

python tools/data/check.py configs/scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py
python tools/data/check.py --data data/farm
"""

import argparse
import sys
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import OptionAction, config_options, run_tool  # noqa: E402
from scaseg.apis.check_files import check_data_set  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', nargs='?', help='config file, whose training and validation data are read')
    parser.add_argument('--data', metavar='FOLDER', help='own images and labels, with or without a config')
    parser.add_argument('--out', type=Path, help='folder for report.html and classes.csv (default: work_dirs/check/…)')
    parser.add_argument('--cfg-options', nargs='+', action=OptionAction, metavar='KEY=VALUE', help='as of tools/train.py')
    args = parser.parse_args()
    if args.config is None and args.data is None:
        parser.error('give a config, or --data FOLDER')
    is_right = check_data_set(args.config, args.data, config_options(args), args.out)
    sys.exit(0 if is_right else 1)


if __name__ == '__main__':
    run_tool(main)
