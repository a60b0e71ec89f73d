"""Latency, throughput and memory of networks, interleaved in one run:

    python tools/analysis/latency.py CONFIG [CONFIG ...] --variant channels_last=True --variant compile=True

Every config is measured as it is and again with the options of each --variant, in every dtype; all of these take
turns, and "ratio" is the time over that of the first row. The weights are random. Inside the timed region:
"""

import argparse
import os
from collections.abc import Callable, Sequence
from itertools import product
from pathlib import Path

from scaseg.quiet import quiet_dependencies

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # torch's profiler, which counts memory, reports its start and stop
quiet_dependencies()

from scaseg.apis.cli import VariantAction, measuring_parser, positive_int, run_tool  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402
from scaseg.benchmarking.network_calls import DTYPES, PARTS, PASSES, build_network, network_call  # noqa: E402
from scaseg.benchmarking.timing import (  # noqa: E402
    append_csv,
    call_rows,
    circumstances,
    library_versions,
    print_markdown,
)


def main() -> None:
    inside = '\n'.join(f'    {name}: {text}' for name, text in {**PARTS, **PASSES}.items())
    parser = measuring_parser(f'{__doc__}\n{inside}', 'work_dirs/benchmarks/latency.csv')
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--variant', action=VariantAction, nargs='+', default=[], metavar='KEY=VALUE')
    parser.add_argument('--part', nargs='+', choices=list(PARTS), default=['network'])
    parser.add_argument('--passes', nargs='+', choices=list(PASSES), default=['forward'])
    parser.add_argument(
        '--shape', type=positive_int, nargs=2, action='append', metavar=('H', 'W'), help='default: 512 512'
    )
    parser.add_argument('--batch-size', type=positive_int, nargs='+', default=[1])
    parser.add_argument('--dtype', nargs='+', choices=list(DTYPES), default=['float32'], help='of autocast')
    args = parser.parse_args()
    about = circumstances(args.device) | library_versions()
    print(', '.join(f'{name} {value}' for name, value in about.items()))
    for part, passes in product(args.part, args.passes):
        if (part, passes) == ('prediction', 'forward+backward'):
            continue
        print(f'\n{part}, {passes}: {PARTS[part]}, {PASSES[passes]}')
        for shape, batch in product(args.shape or [[512, 512]], args.batch_size):
            calls = build_calls(args, part, passes, tuple(shape), batch)
            case = dict(part=part, passes=passes, shape='x'.join(map(str, shape)), batch=batch)
            rows = call_rows(('config', 'variant', 'dtype'), calls, batch, args.device, args.seconds)
            print_markdown(f'{case["shape"]}, batch of {batch}', rows)
            append_csv(args.csv, [about | case | row for row in rows])
    print(f'\nappended to {args.csv}')


def build_calls(
    args: argparse.Namespace, part: str, passes: str, shape: tuple[int, int], batch: int
) -> dict[Sequence[str], Callable[[], object]]:
    """What takes turns: (config, variant, dtype) -> call."""
    calls: dict[Sequence[str], Callable[[], object]] = {}
    for config, options in product(args.configs, [{}, *args.variant]):
        backward = passes == 'forward+backward'
        model = build_network(load_config(config, options), args.device, training=backward)
        variant = ' '.join(f'{key}={value}' for key, value in options.items())
        for dtype in args.dtype:
            call = network_call(model, part, shape, batch, DTYPES[dtype], backward)
            calls[Path(config).stem, variant, dtype] = call
    return calls


if __name__ == '__main__':
    run_tool(main)
