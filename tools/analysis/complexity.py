"""Parameters, MACs and FLOPs, as a Markdown table: python tools/analysis/complexity.py CONFIG [CONFIG ...]

A MAC is a multiply-accumulate of a convolution or a matrix product, attention included, however it is computed. What
papers quote as FLOPs are these, and a few for each element of norms and of interpolated maps, as the counters of
mmengine and fvcore have it. Our FLOPs are all operations on floating-point numbers: two for each MAC, and one for each
element that norms, activations, softmax, pooling and interpolation work on.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from mmseg.registry import MODELS  # noqa: E402

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402
from scaseg.benchmarking import Complexity, count_complexity  # noqa: E402
from scaseg.benchmarking.timing import append_csv, print_markdown, repository_state  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--shape', type=int, nargs=2, default=(512, 512), metavar=('H', 'W'), help='of the image')
    parser.add_argument('--levels', action='store_true', help='also the MACs of what each head is made of')
    parser.add_argument('--csv', type=Path, help='file to append to')
    parser.add_argument('--json', action='store_true', help='one JSON object per config, not a table')
    args = parser.parse_args()
    models = [(path, MODELS.build(load_config(path).model)) for path in args.configs]
    counted = [(path, count_complexity(model, tuple(args.shape))) for path, model in models]
    rows = [{'config': Path(path).stem} | as_row(complexity) for path, complexity in counted]
    if args.csv:
        append_csv(args.csv, [repository_state() | dict(shape='x'.join(map(str, args.shape))) | row for row in rows])
    if args.json:
        for path, complexity in counted:
            print(json.dumps({'config': path} | asdict(complexity)))
        return
    print_markdown('{}x{}'.format(*args.shape), rows)
    for path, complexity in counted if args.levels else ():
        macs = [{'part': part, 'GMACs': f'{macs / 1e9:.3f}'} for part, macs in complexity.head_macs.items()]
        print_markdown(f'head of {Path(path).stem}', macs)


def as_row(complexity: Complexity) -> dict[str, str]:
    """Columns of a table, in millions and billions."""
    row = {f'{part} (M parameters)': f'{n / 1e6:.2f}' for part, n in complexity.parameters.items()}
    row |= {f'{part} (GMACs)': f'{n / 1e9:.2f}' for part, n in complexity.macs.items()}
    row['model (GFLOPs as papers quote them)'] = f'{complexity.quoted["model"] / 1e9:.2f}'
    return row | {f'{part} (GFLOPs)': f'{n / 1e9:.2f}' for part, n in complexity.flops.items()}


if __name__ == '__main__':
    run_tool(main)
