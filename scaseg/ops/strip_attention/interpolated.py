"""Strip attention in O(N + M): the grid that keeps the accuracy promise, and the way through it.

Where reading a number back costs nothing, on a CPU, the grid is sized from the data. A first size follows from the
spread of queries and keys; then the error is estimated from the table itself, on a sample of the queries, and the grid
refined until it is below rtol / 2. The estimate is cheap: the third derivative of neighbouring cubics differs by the
fourth derivative of the curve, which is what the interpolation error is made of.

On a GPU, where reading back would stall it, the number of cells depends on M and rtol alone and is ample; the points
are spread over the measured range on the device. ``docs/strip_attention.md`` says how far this keeps the promise.

Shapes: P problems (batch × heads), N queries t = scale·q, M keys, d channels of the values.
"""

import importlib.util
import math
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor

from . import read_off
from .curve import Curve, Grid, extent, sample_curve, sample_curve_backward

CELLS_PER_OCTAVE = 5.0  # at rtol 1e-6, for each unit of 1 + ln M: docs/strip_attention.md measures it
FIXED_OCTAVES = 16.0  # that a grid of fixed size is made for
LEAST_CELLS_PER_OCTAVE = 40.0  # at rtol 1e-6: with few keys, gradients ask for more than the output
LEAST_CELLS = 32
MOST_CELLS = 2**16
SAMPLED_QUERIES = 256  # of each problem, for the estimate of the error
HAS_TRITON = importlib.util.find_spec('triton') is not None


class Fit(NamedTuple):
    """A sampled curve.

    Attributes:
        grid: where it is sampled.
        curve: its values and slopes, in the dtype of the keys.
        table: the coefficients of its cubics, (P, 2, C, 4, d), in the dtype of the values.
    """

    grid: Grid
    curve: Curve
    table: Tensor


def fit_to_data(t: Tensor, k: Tensor, v: Tensor, rtol: float, most_cells: int = MOST_CELLS) -> Fit | None:
    """Sample the curve as finely as ``rtol`` needs. Reads numbers back from the device.

    Args:
        t: (P, N).
        k: (P, M), float64.
        v: (P, M, d).
        rtol: relative Frobenius error of the output.
        most_cells: to use on each half-axis.

    Returns:
        None where ``most_cells`` are not enough, or where keys or values are not finite.
    """
    knee, reach, octaves = extent(t, k)
    most_octaves = octaves.max().item()
    if not math.isfinite(most_octaves):
        return None
    cells = max(LEAST_CELLS, math.ceil(cells_per_octave(k.shape[-1], rtol) * most_octaves))
    some_t, last_error = _sample_queries(t), math.inf
    while cells <= most_cells:
        fitted = _sample(Grid(cells, knee, cells / octaves, reach), k, v)
        if not fitted.table.isfinite().all():
            return None
        error = estimate_error(fitted, some_t)
        if error <= rtol / 2:
            return fitted
        if not error < last_error / 2:  # rounding, or not finite: no grid is fine enough
            return None
        last_error = error
        cells = math.ceil(cells * min(4.0, 1.1 * (2 * error / rtol) ** 0.25))
    return None


def fit_to_size(t: Tensor, k: Tensor, v: Tensor, rtol: float) -> Fit:
    """Sample the curve on a grid whose size depends on M and ``rtol`` alone; inputs as in ``fit_to_data``."""
    knee, reach, octaves = extent(t, k)
    cells = fixed_cells(k.shape[-1], rtol)
    return _sample(Grid(cells, knee, cells / octaves, reach), k, v)


def cells_per_octave(keys: int, rtol: float) -> float:
    """The error falls with the fourth power of the density, and grows with that of ln M."""
    return max(CELLS_PER_OCTAVE * (1 + math.log(keys)), LEAST_CELLS_PER_OCTAVE) * (1e-6 / rtol) ** 0.25


def fixed_cells(keys: int, rtol: float) -> int:
    """Cells of a grid whose size may not depend on the data."""
    return math.ceil(FIXED_OCTAVES * cells_per_octave(keys, rtol))


def interpolate(t: Tensor, fitted: Fit) -> Tensor:
    """(P, N) -> (P, N, d)."""
    return _kernels(t).read_off(t, fitted.table, fitted.grid)


def interpolate_backward(grad: Tensor, t: Tensor, k: Tensor, v: Tensor, fitted: Fit) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of t, k and v from that of the output. The one of t is the derivative of the interpolant."""
    grad_t, grad_table = _kernels(t).read_off_backward(grad, t, fitted.table, fitted.grid)
    grad_value, grad_slope = read_off.tabulate_backward(grad_table, fitted.grid)
    grad_k, grad_v = sample_curve_backward(fitted.grid, fitted.curve, k, v, grad_value, grad_slope)
    return grad_t, grad_k, grad_v


def estimate_error(fitted: Fit, t: Tensor) -> float:
    """Relative Frobenius error at the queries ``t``.

    In the middle of a cell a cubic Hermite interpolant errs by F''''/384, in units of the cell. Its third derivative
    is 6 times the coefficient of u³, and changes by F'''' from cell to cell.
    """
    cubic = fitted.table[..., 3, :]  # (P, 2, C, d)
    jump = (cubic[:, :, 1:] - cubic[:, :, :-1]).abs()
    jump = torch.maximum(torch.cat([jump[:, :, :1], jump], 2), torch.cat([jump, jump[:, :, -1:]], 2))
    cell, u = read_off.locate(t, fitted.grid)
    error = 6 / 384 * jump.flatten(0, 2).index_select(0, cell.flatten()).norm(dtype=torch.float64).item()
    size = read_off.mix_rows(fitted.table, cell, u).nan_to_num().norm(dtype=torch.float64).item()
    return error / size if size > 0 else error


def _sample_queries(t: Tensor) -> Tensor:
    """Both extremes and some others of every problem, at steps that no image's width is a multiple of."""
    golden = torch.arange(SAMPLED_QUERIES, dtype=torch.float64) * ((math.sqrt(5) - 1) / 2) % 1
    others = t[:, (golden * t.shape[-1]).long()]
    return torch.cat([others, t.amin(-1, keepdim=True), t.amax(-1, keepdim=True)], dim=-1)


def _sample(grid: Grid, k: Tensor, v: Tensor) -> Fit:
    curve = sample_curve(grid, k, v)
    return Fit(grid, curve, read_off.tabulate(curve, grid).to(v.dtype))


def _kernels(t: Tensor) -> ModuleType:
    """The module whose ``read_off`` and ``read_off_backward`` fit the device."""
    if t.is_cuda and HAS_TRITON and not torch.are_deterministic_algorithms_enabled():
        from . import triton_read_off

        return triton_read_off
    return read_off
