"""The figures of docs/strip_attention.md: python tools/analysis/plot_strip_attention.py BENCH.csv

Errors are computed here, in seconds, in float64; times and memory come from the CSV file of
``tools/analysis/bench_ops.py strip_attention``.
"""

import argparse
import csv
import math
from pathlib import Path

import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from torch import Tensor

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.errors import UserError  # noqa: E402
from scaseg.ops import naive_strip_attention  # noqa: E402
from scaseg.ops.strip_attention import curve, interpolated, read_off  # noqa: E402

FORMS = ('naive', 'exact', 'sdpa', 'sdpa, padded', 'interpolated', 'copy of the output')
QUERIES, KEYS, CHANNELS = 2000, 256, 8


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('csv', type=Path, help='written by tools/analysis/bench_ops.py strip_attention')
    parser.add_argument('--out-dir', type=Path, default=Path('docs/figures'), help='default: docs/figures')
    args = parser.parse_args()
    if not args.csv.is_file():
        raise UserError(f'{args.csv}: no such file; python tools/analysis/bench_ops.py strip_attention writes it')
    with args.csv.open(newline='') as file:
        rows = [row for row in csv.DictReader(file) if row['N'] != row['M']]
    args.out_dir.mkdir(parents=True, exist_ok=True)
    for name, draw in {'error': draw_errors, 'cost': lambda axes: draw_costs(axes, rows)}.items():
        figure = Figure(figsize=(11, 4), layout='constrained')
        draw(figure.subplots(1, 2))
        path = args.out_dir / f'strip_attention_{name}.png'
        figure.savefig(path, dpi=120)
        print(path)


def draw_errors(axes: tuple[Axes, Axes]) -> None:
    """Left: error against the density of the grid. Right: the size of the grid against the spread of the logits."""
    generator = torch.Generator().manual_seed(0)
    normal = [torch.randn(shape, generator=generator, dtype=torch.float64) for shape in _shapes()]
    one_key = torch.zeros_like(normal[1])
    one_key[:, 0] = 1.0
    factors = torch.tensor([0.5, 1.0, 2.0, 3.0, 5.0, 8.0, 16.0]).tolist()
    for spread in (0.1, 1.0, 10.0, 1000.0):
        inputs = spread * normal[0], normal[1], normal[2]
        errors = [_error(*inputs, factor * (1 + math.log(KEYS))) for factor in factors]
        axes[0].loglog(factors, errors, '.-', label=f'normal keys, logits of σ = {spread:g}')
    inputs = 4 * normal[0].abs(), one_key, normal[2]
    errors = [_error(*inputs, factor * (1 + math.log(KEYS))) for factor in factors]
    axes[0].loglog(factors, errors, 'k.-', label='one key against 255 equal ones')
    axes[0].loglog(factors, [1e-4 * factor**-4 for factor in factors], 'k:', label='fourth power')
    axes[0].axvline(interpolated.CELLS_PER_OCTAVE, color='grey', lw=1)
    axes[0].axhline(1e-6, color='grey', lw=1)
    axes[0].set(xlabel='cells per octave / (1 + ln M)', ylabel='relative Frobenius error, float64')
    axes[0].legend(fontsize=8)

    spreads = [10**exponent for exponent in (-2, -1, 0, 1, 2, 3, 4, 5)]
    sizes, uniform = [], []
    for spread in spreads:
        fitted = interpolated.fit_to_data((spread * normal[0]).float(), normal[1], normal[2].float(), 1e-6)
        sizes.append(2 * (fitted.grid.cells + 1))
        extent = spread * (normal[0].max() - normal[0].min()) * (normal[1].max() - normal[1].min())
        uniform.append(max(4, extent.item() / 0.8))
    axes[1].loglog(spreads, sizes, '.-', label='this grid, at an error of 1e-6')
    axes[1].loglog(spreads, uniform, '.--', label='evenly spaced, (range of t)·(range of k) / 0.8')
    axes[1].set(xlabel='standard deviation of the logits', ylabel='points')
    axes[1].legend(fontsize=8)


def draw_costs(axes: tuple[Axes, Axes], rows: list[dict[str, str]]) -> None:
    """Time and peak memory of a forward pass against the number of queries."""
    if not rows:
        raise UserError('the CSV file holds no measurement with fewer keys than queries')
    rows = [row for row in rows if row['passes'] == 'forward']
    whole = [row for row in rows if row['share'] == '1']  # memory of fewer queries says nothing of all of them
    panels = [
        ('time of the forward pass (ms)', 'p50 (ms)', rows),
        ('peak beyond the inputs (MiB)', 'peak (MiB)', whole),
    ]
    for axis, (label, column, measured) in zip(axes, panels, strict=True):
        for form in FORMS:
            points = sorted((int(row['N']), float(row[column])) for row in measured if row['form'] == form)
            axis.loglog(*zip(*points, strict=True), '.-', label=form)
        axis.set(xlabel='queries N (keys M = 256, 512 at 32 768, 2048 at 131 072)', ylabel=label)
    axes[0].legend(fontsize=8)


def _shapes() -> tuple[tuple[int, ...], ...]:
    return (1, QUERIES), (1, KEYS), (1, KEYS, CHANNELS)


def _error(t: Tensor, k: Tensor, v: Tensor, cells_per_octave: float) -> float:
    keys = curve.rank_keys(k)
    knee, reach = curve.extent(t, keys)
    cells = max(1, math.ceil(cells_per_octave * reach.item() / math.log(2)))
    grid = curve.Grid(cells, knee, reach / cells)
    out = read_off.read_off(t, read_off.tabulate(curve.sample_curve(grid, keys, v), grid), grid)
    expected = naive_strip_attention(t[None], k[None], v[None])[0]
    return ((out - expected).norm() / expected.norm()).item()


if __name__ == '__main__':
    run_tool(main)
