"""Time and memory of an operator, its forms side by side: python tools/analysis/bench_ops.py strip_attention

The operator's tests run first; while one fails no figure is printed. Timed is the call alone, on inputs that lie on
the device: "forward" without gradients, "forward+backward" from the inputs to the gradients of all of them. Memory is
the most that tensors take beyond the inputs, in units of the output. A form in O(N·M) that would take hours is
measured with fewer queries and its time multiplied: the column "share" says by how much.
"""

import argparse
import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from pathlib import Path
from types import SimpleNamespace

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # torch's profiler, which counts memory, reports its start and stop

import mmcv
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import appendable_file, positive_int, run_tool, torch_device  # noqa: E402
from scaseg.benchmarking.timing import append_csv, circumstances, peak_memory, time_side_by_side  # noqa: E402
from scaseg.errors import UserError, folder_problem  # noqa: E402
from scaseg.ops import criss_cross, naive_strip_attention, strip_attention  # noqa: E402

REPOSITORY = Path(__file__).parents[2]

MOST_WEIGHTS = 2**27  # N·M·heads up to which a form in O(N·M) is measured with all its queries


@dataclass(frozen=True)
class Case:
    """One size of an operator.

    Attributes:
        sizes: what tells it from the others.
        inputs: tensors, which gradients are taken of.
        forms: functions of the inputs, by name; the first one is what the others are compared with.
        reference: the inputs in float64 -> what the output should be, at the positions of ``sample``.
        sample: output -> the part of it that is compared.
        few: inputs for forms whose cost is linear in the queries and too high; with ``share`` times fewer queries.
        share: see ``few``.
        slow: the forms that take ``few``.
    """

    sizes: Mapping[str, int]
    inputs: Sequence[Tensor]
    forms: Mapping[str, Callable[..., Tensor]]
    reference: Callable[..., Tensor]
    sample: Callable[[Tensor], Tensor] = lambda out: out
    few: Sequence[Tensor] = ()
    share: int = 1
    slow: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class OpBenchmark:
    """Tests that must pass first, and the cases."""

    tests: tuple[str, ...]
    cases: Callable[[torch.device], Iterator[Case]]


def strip_attention_cases(device: torch.device) -> Iterator[Case]:
    """(N, M) from the third level of a 512² image to the first of 1024×2048 unpooled; 8 heads of 16 channels."""
    for queries, keys in ((1024, 256), (4096, 256), (16384, 256), (32768, 512), (131072, 2048), (131072, 131072)):
        yield _strip_attention_case(queries, keys, device)


def _strip_attention_case(queries: int, keys: int, device: torch.device, heads: int = 8, channels: int = 16) -> Case:
    generator = torch.Generator(device).manual_seed(0)
    shapes = (1, heads, queries), (1, heads, keys), (1, heads, keys, channels)
    q, k, v = (torch.randn(shape, generator=generator, device=device) for shape in shapes)
    out = torch.randn(1, heads, queries, channels, device=device)
    stride = max(1, queries // 256)
    share = max(1, heads * queries * keys // MOST_WEIGHTS)
    quadratic: dict[str, Callable[..., Tensor]] = {
        'exact': lambda q, k, v: strip_attention(q, k, v, method='exact'),
        'naive': naive_strip_attention,
        'sdpa': _sdpa,
        'sdpa, padded': _padded_sdpa,
    }
    if device.type == 'cuda':
        quadratic |= {'sdpa, flash': _flash_sdpa, 'sdpa, efficient': _efficient_sdpa}
    return Case(
        sizes={'N': queries, 'M': keys, 'h': heads, 'd': channels},
        inputs=(q, k, v),
        forms={
            'interpolated': lambda q, k, v: strip_attention(q, k, v, method='interpolated'),
            **quadratic,
            'copy of the output': lambda q, k, v: torch.empty_like(out).copy_(out),
        },
        reference=lambda q, k, v: naive_strip_attention(q[..., ::stride], k, v),
        sample=lambda out: out[..., ::stride, :],
        few=(q[..., ::share].contiguous(), k, v),
        share=share,
        slow=frozenset(quadratic),
    )


def _sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q.unsqueeze(-1), k.unsqueeze(-1), v, scale=1.0)


def _padded_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries and keys filled up with zeros to the channels of the values, which the fused kernels ask for."""
    fill = (0, v.shape[-1] - 1)
    return F.scaled_dot_product_attention(F.pad(q.unsqueeze(-1), fill), F.pad(k.unsqueeze(-1), fill), v, scale=1.0)


def _flash_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Flash attention, which has half precision only."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return _padded_sdpa(q.bfloat16(), k.bfloat16(), v.bfloat16()).float()


def _efficient_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION):
        return _padded_sdpa(q, k, v)


def criss_cross_cases(device: torch.device) -> Iterator[Case]:
    """Stride 8: crops of 512² (one and eight), 769² (two), and 1024×2048; 512 channels, 64 of queries, as in CCNet."""
    for batch, height, width in ((1, 64, 64), (8, 64, 64), (2, 97, 97), (1, 128, 256)):
        for layout in (torch.channels_last, torch.contiguous_format):
            generator = torch.Generator(device).manual_seed(0)
            q, k, v = (
                torch.randn(batch, channels, height, width, generator=generator, device=device).to(
                    memory_format=layout
                )
                for channels in (64, 64, 512)
            )
            yield Case(
                sizes={'B': batch, 'H': height, 'W': width, 'channels_last': int(layout is torch.channels_last)},
                inputs=(0.3 * q, 0.3 * k, v),
                forms={'scaseg': _criss_cross, 'mmcv': _mmcv_criss_cross},
                reference=_criss_cross,
            )


def _criss_cross(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Criss-cross attention, added to the values as in mmcv's module."""
    return v + criss_cross(q, k, v)


def _mmcv_criss_cross(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """mmcv's module without its convolutions: they give what was computed before."""
    maps = dict(query_conv=lambda x: q, key_conv=lambda x: k, value_conv=lambda x: v)
    return _mmcv_forward()(SimpleNamespace(**maps, gamma=lambda out: out), v)


@cache
def _mmcv_forward() -> Callable[..., Tensor]:
    """From its file: importing the package mmcv.ops asks for compiled code, which this file does not need."""
    path = Path(mmcv.__file__).parent / 'ops/cc_attention.py'
    spec = importlib.util.spec_from_file_location('mmcv_cc_attention', path)
    if spec is None or spec.loader is None:
        raise UserError(f'{path} cannot be loaded')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CrissCrossAttention.forward


OP_BENCHMARKS = {
    'criss_cross': OpBenchmark(('tests/ops/test_criss_cross.py',), criss_cross_cases),
    'strip_attention': OpBenchmark(
        ('tests/ops/test_strip_attention.py', 'tests/ops/test_strip_attention_kernels.py'), strip_attention_cases
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('op', choices=sorted(OP_BENCHMARKS))
    parser.add_argument('--device', type=torch_device, default=torch.device('cpu'), help='cpu or cuda (default: cpu)')
    parser.add_argument('--seconds', type=float, default=2.0, help='for each form, size and pass (default: 2)')
    parser.add_argument('--cases', type=positive_int, nargs='+', help='which of the sizes, from 1 (default: all)')
    parser.add_argument('--forms', nargs='+', help='which of the forms, as the table names them (default: all)')
    parser.add_argument('--passes', nargs='+', choices=list(PASSES), default=list(PASSES))
    parser.add_argument('--whole', action='store_true', help='give O(N·M) forms all queries, whatever it takes')
    parser.add_argument('--csv', type=appendable_file, help='file to append to (default: work_dirs/benchmarks/OP.csv)')
    args = parser.parse_args()
    benchmark = OP_BENCHMARKS[args.op]
    _check_selection(benchmark.cases(args.device), args.cases, args.forms)
    path = args.csv or Path('work_dirs/benchmarks') / f'{args.op}.csv'
    if problem := folder_problem(path.parent):
        raise UserError(f'{path} cannot be written ({problem})')
    if subprocess.run([sys.executable, '-m', 'pytest', '-q', *benchmark.tests], cwd=REPOSITORY).returncode:
        raise UserError(f'the tests of {args.op} fail: no figure of a form that may be wrong')
    about = circumstances(args.device)
    print(', '.join(f'{name} {value}' for name, value in about.items()))
    for number, case in enumerate(benchmark.cases(args.device), start=1):
        if args.cases and number not in args.cases:
            continue
        case = replace(case, forms={name: case.forms[name] for name in args.forms or case.forms})
        case = replace(case, share=1, slow=frozenset()) if args.whole else case
        rows = measure(case, args.passes, args.device, args.seconds)
        print_case(case, rows)
        append_csv(path, [about | case.sizes | row for row in rows])
    print(f'appended to {path}')


def _check_selection(cases: Iterable[Case], numbers: Sequence[int] | None, forms: Sequence[str] | None) -> None:
    count = 0
    for case in cases:
        count += 1
        if unknown := set(forms or ()) - set(case.forms):
            raise UserError(f'--forms {" ".join(sorted(unknown))}: there are {", ".join(case.forms)}')
    if numbers and max(numbers) > count:
        raise UserError(f'--cases {max(numbers)}: there are {count}')


def measure(case: Case, which_passes: Sequence[str], device: torch.device, seconds: float) -> list[dict]:
    """One row for each form and pass."""
    with torch.no_grad():
        expected = case.reference(*(x.double() for x in case.inputs))
        whole = {
            name: form(*case.inputs) for name, form in case.forms.items() if case.share == 1 or name not in case.slow
        }
        errors = {name: (case.sample(out) - expected).norm() / expected.norm() for name, out in whole.items()}
        out_bytes = case.share * next(iter(case.forms.values()))(*(case.few or case.inputs)).nbytes
    rows = []
    for passes in which_passes:
        run, calls = PASSES[passes], {}
        for name, form in case.forms.items():
            if passes == 'forward' or not name.startswith('copy'):
                calls[name] = run(form, case.few if name in case.slow else case.inputs)
        for name, timing in time_side_by_side(calls, device, seconds).items():
            share = case.share if name in case.slow else 1
            memory = peak_memory(calls[name], device)
            row: dict[str, object] = dict(form=name, passes=passes, calls=timing.calls, share=share)
            for key in ('p20', 'p50', 'p80'):
                row[f'{key} (ms)'] = round(getattr(timing, key) * share, 3)
            row['peak (MiB)'] = round(memory / 2**20, 2)
            row['peak / output'] = round(memory / (out_bytes / share), 2)
            row['error'] = '' if name.startswith('copy') or name not in errors else f'{errors[name].item():.1e}'
            rows.append(row)
    return rows


def print_case(case: Case, rows: Sequence[dict]) -> None:
    """A Markdown table, with the ratio of each time to that of the first form."""
    print('\n' + ', '.join(f'{name} = {value}' for name, value in case.sizes.items()))
    columns = [name for name in rows[0] if name != 'calls']
    print('| ' + ' | '.join([*columns, 'ratio']) + ' |')
    print('| --- ' * (len(columns) + 1) + '|')
    for row in rows:
        first = next(other for other in rows if other['passes'] == row['passes'])
        ratio = row['p50 (ms)'] / first['p50 (ms)']
        print('| ' + ' | '.join([*(str(row[name]) for name in columns), f'{ratio:.2f}']) + ' |')


def _forward(form: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Callable[[], object]:
    def call() -> Tensor:
        with torch.no_grad():
            return form(*inputs)

    return call


def _forward_backward(form: Callable[..., Tensor], inputs: Sequence[Tensor]) -> Callable[[], object]:
    inputs = [x.detach().requires_grad_() for x in inputs]
    with torch.no_grad():
        grad = torch.randn_like(form(*inputs))

    def call() -> object:
        return torch.autograd.grad(form(*inputs), inputs, grad)

    return call


PASSES = {'forward': _forward, 'forward+backward': _forward_backward}

if __name__ == '__main__':
    run_tool(main)
