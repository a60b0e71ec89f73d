"""Parameters and MACs, as a Markdown table: python tools/analysis/complexity.py CONFIG [CONFIG ...] --shape 512 512

A MAC is a multiply-accumulate of a convolution or a matrix product, attention included; papers call it FLOP.
"""

import argparse
import json
from dataclasses import asdict
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from mmseg.registry import MODELS  # noqa: E402

from scaseg.apis import count_complexity  # noqa: E402
from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description='Count parameters and multiply-accumulates from image to logits.')
    parser.add_argument('configs', nargs='+', metavar='CONFIG')
    parser.add_argument('--shape', type=int, nargs=2, default=(512, 512), metavar=('H', 'W'), help='of the image')
    parser.add_argument('--json', action='store_true', help='one JSON object per config, not a table')
    args = parser.parse_args()
    if not args.json:
        print('| config | parameters (M) | encoder | head | GMACs at {}x{} | encoder | head |'.format(*args.shape))
        print('| --- | ---: | ---: | ---: | ---: | ---: | ---: |')
    for config in args.configs:
        complexity = count_complexity(MODELS.build(load_config(config).model), tuple(args.shape))
        if args.json:
            print(json.dumps({'config': config} | asdict(complexity)))
            continue
        numbers = [*(n / 1e6 for n in complexity.parameters.values()), *(n / 1e9 for n in complexity.macs.values())]
        print(f'| {Path(config).stem} | ' + ' | '.join(f'{number:.2f}' for number in numbers) + ' |')


if __name__ == '__main__':
    run_tool(main)
