"""Train a model: python tools/train.py configs/scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py"""

import os

from scaseg.quiet import quiet_dependencies

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # waiting threads sleep: the data loaders need the cores too
quiet_dependencies()

from scaseg.apis import train  # noqa: E402
from scaseg.apis.cli import config_options, config_parser, run_tool  # noqa: E402


def main() -> None:
    parser = config_parser('Train a model and evaluate it along the way.')
    parser.add_argument(
        '--resume',
        nargs='?',
        const='auto',
        metavar='auto|PATH',
        help='continue from the latest checkpoint in the work folder (auto, the default) or from the one given',
    )
    parser.add_argument('--amp', action='store_true', help='mixed precision (needs a GPU)')
    parser.add_argument('--seed', type=int, help='random seed (default: the one in the config)')
    parser.add_argument('--deterministic', action='store_true', help='the same result every time, slower on GPUs')
    args = parser.parse_args()
    train(
        args.config,
        work_dir=args.work_dir,
        resume=args.resume,
        amp=args.amp,
        options=config_options(args),
        launcher=args.launcher,
        seed=args.seed,
        deterministic=args.deterministic,
    )


if __name__ == '__main__':
    run_tool(main)
