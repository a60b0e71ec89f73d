"""Time and memory of an operator, its forms side by side: python tools/analysis/bench_ops.py strip_attention

The operator's tests run first; while one fails no figure is printed. Timed is the call alone, on inputs that lie on
the device: "forward" without gradients, "forward+backward" from the inputs to the gradients of all of them. Memory is
the most that tensors take beyond the inputs, in units of the output. A form in O(N·M) that would take hours is
measured with fewer queries and its time multiplied: the column "share" says by how much.
"""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from pathlib import Path

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # torch's profiler, which counts memory, reports its start and stop

import torch
from torch import Tensor

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.benchmark import REPOSITORY, append_csv, circumstances, peak_memory, time_side_by_side  # noqa: E402
from scaseg.apis.cli import appendable_file, positive_int, run_tool, torch_device  # noqa: E402
from scaseg.apis.op_benchmarks import OP_BENCHMARKS, Case  # noqa: E402
from scaseg.errors import UserError, folder_problem  # noqa: E402


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
