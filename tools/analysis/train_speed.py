"""Speed and memory of training steps, interleaved in one run and split into phases:

    python tools/analysis/train_speed.py CONFIG [CONFIG ...] --variant recompute_activations=True --batch-size 2

Every config is measured as it is and again with the options of each --variant. Weights are random, and so are images
and labels unless --from-loader takes the training data of the config. Memory is what one step needs at most beyond
weights and the state of the optimiser, its gradients among it. Hooks do not run: EMA, which
is one, costs nothing here. The phases of a step, medians:
"""

import os
from itertools import product
from pathlib import Path

from scaseg.quiet import quiet_dependencies

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # torch's profiler, which counts memory, reports its start and stop
quiet_dependencies()

from scaseg.apis.cli import VariantAction, measuring_parser, positive_int, run_tool  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402
from scaseg.benchmarking.timing import (  # noqa: E402
    append_csv,
    call_rows,
    circumstances,
    library_versions,
    print_markdown,
)
from scaseg.benchmarking.training_step import PHASES, TrainingStep  # noqa: E402


def main() -> None:
    phases = '\n'.join(f'    {name}: {text}' for name, text in PHASES.items())
    parser = measuring_parser(f'{__doc__}\n{phases}', 'work_dirs/benchmarks/train_speed.csv')
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--variant', action=VariantAction, nargs='+', default=[], metavar='KEY=VALUE')
    parser.add_argument('--batch-size', type=positive_int, help="images of a step (default: the first config's)")
    parser.add_argument('--from-loader', action='store_true', help='read and augment the training data of the config')
    args = parser.parse_args()
    batch = args.batch_size or load_config(args.configs[0]).train_dataloader.batch_size
    steps = {}
    for path, options in product(args.configs, [{}, *args.variant]):
        cfg = load_config(path, options)
        key = Path(path).stem, ' '.join(f'{name}={value}' for name, value in options.items())
        steps[key] = TrainingStep(cfg, args.device, args.from_loader, batch)
    case = dict(data='loader' if args.from_loader else 'random', batch=batch)
    rows = call_rows(('config', 'variant'), steps, batch, args.device, args.seconds)
    for row, step in zip(rows, steps.values(), strict=True):
        row |= {f'{phase} (ms)': round(median, 2) for phase, median in step.medians().items()}
    about = circumstances(args.device) | library_versions()
    print(', '.join(f'{name} {value}' for name, value in about.items()))
    print_markdown(f'training steps on {case["data"]} data, batch of {batch}', rows)
    append_csv(args.csv, [about | case | row for row in rows])
    print(f'\nappended to {args.csv}')


if __name__ == '__main__':
    run_tool(main)
