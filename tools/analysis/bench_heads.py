"""SCASeg's head beside mmseg's, alone and interleaved in one run: python tools/analysis/bench_heads.py

On random maps of MSCAN-T's widths at strides 4 to 32, with 150 classes, float32. SCASegHead is measured with its
attention by definition (naive) and as it chooses to compute it (auto); mmseg's heads have the widths that mmseg's
configs give them, SegformerHead also that of SCASegHead. Inside the timed region, from maps on the device:
"""

import os
from collections.abc import Callable

from scaseg.quiet import quiet_dependencies

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # torch's profiler, which counts memory, reports its start and stop
quiet_dependencies()

import torch  # noqa: E402
from mmseg.registry import MODELS  # noqa: E402
from torch import nn  # noqa: E402

from scaseg.apis.cli import measuring_parser, run_tool  # noqa: E402
from scaseg.benchmarking.network_calls import PASSES, module_call  # noqa: E402
from scaseg.benchmarking.timing import (  # noqa: E402
    append_csv,
    call_rows,
    circumstances,
    library_versions,
    print_markdown,
)
from scaseg.models.layers import StripCrossAttention  # noqa: E402

CHANNELS, STRIDES = [32, 64, 160, 256], [4, 8, 16, 32]
BN, GN = dict(type='BN'), dict(type='GN', num_groups=32)
ALL_LEVELS = dict(in_channels=CHANNELS, in_index=[0, 1, 2, 3], num_classes=150)
SCASEG = dict(type='SCASegHead', **ALL_LEVELS, num_heads=[1, 2, 5, 8], channels=128, norm_cfg=BN)
HEADS = {
    'SCASegHead, auto': SCASEG,
    'SCASegHead, naive': SCASEG,
    'SegformerHead, 256 channels': dict(type='SegformerHead', **ALL_LEVELS, channels=256, norm_cfg=BN),
    'SegformerHead, 128 channels': dict(type='SegformerHead', **ALL_LEVELS, channels=128, norm_cfg=BN),
    'LightHamHead, 256 channels': dict(
        type='LightHamHead',
        in_channels=CHANNELS[1:],
        in_index=[1, 2, 3],
        num_classes=150,
        channels=256,
        ham_channels=256,
        ham_kwargs=dict(MD_R=16),
        norm_cfg=GN,
    ),
}


def main() -> None:
    inside = '\n'.join(f'    {name}: {text}' for name, text in PASSES.items())
    parser = measuring_parser(f'{__doc__}\n{inside}', 'work_dirs/benchmarks/heads.csv')
    parser.add_argument('--heads', nargs='+', choices=list(HEADS), default=list(HEADS), metavar='HEAD')
    parser.add_argument('--passes', nargs='+', choices=list(PASSES), default=list(PASSES))
    parser.add_argument('--shape', type=int, nargs=2, action='append', metavar=('H', 'W'))
    args = parser.parse_args()
    about = circumstances(args.device) | library_versions()
    print(', '.join(f'{name} {value}' for name, value in about.items()))
    for shape in args.shape or [[512, 512], [1024, 2048]]:
        for passes in args.passes:
            calls = {(name,): head_call(name, shape, passes, args.device) for name in args.heads}
            rows = call_rows(('head',), calls, 1, args.device, args.seconds)
            size = 'x'.join(map(str, shape))
            print_markdown(f'image of {size}, {passes}', rows)
            append_csv(args.csv, [about | dict(shape=size, passes=passes) | row for row in rows])
    print(f'\nappended to {args.csv}')


def head_call(name: str, shape: list[int], passes: str, device: torch.device) -> Callable[[], object]:
    """A call of a head on maps of its own."""
    head: nn.Module = MODELS.build(HEADS[name].copy()).to(device).train(passes == 'forward+backward')
    for module in head.modules():
        if name.endswith('naive') and isinstance(module, StripCrossAttention):
            module.method = 'naive'
    maps = [
        torch.randn(1, c, shape[0] // stride, shape[1] // stride, device=device)
        for c, stride in zip(CHANNELS, STRIDES, strict=True)
    ]
    return module_call(lambda: head(maps), head, maps, device, torch.float32, passes == 'forward+backward')


if __name__ == '__main__':
    run_tool(main)
