"""Evaluate a checkpoint: python tools/test.py CONFIG work_dirs/…/best_mIoU_iter_160000.pth"""

import os

from scaseg.quiet import quiet_dependencies

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # waiting threads sleep: the data loaders need the cores too
quiet_dependencies()

from scaseg.apis import test  # noqa: E402
from scaseg.apis.cli import config_options, config_parser, run_tool  # noqa: E402


def main() -> None:
    parser = config_parser('Evaluate a checkpoint on the test data of a config.')
    parser.add_argument('checkpoint', help='file with the weights')
    parser.add_argument('--tta', action='store_true', help='evaluate over several scales and flips')
    parser.add_argument('--out', metavar='DIR', help='save predictions as label PNG, in the ids of the data set')
    parser.add_argument('--show-dir', metavar='DIR', help='save predictions painted over the images')
    parser.add_argument('--figure', metavar='PNG', help='one picture: image, truth, prediction, errors of six samples')
    args = parser.parse_args()
    test(
        args.config,
        args.checkpoint,
        work_dir=args.work_dir,
        tta=args.tta,
        out=args.out,
        show_dir=args.show_dir,
        figure=args.figure,
        options=config_options(args),
        launcher=args.launcher,
    )


if __name__ == '__main__':
    run_tool(main)
