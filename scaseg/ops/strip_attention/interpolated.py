"""Strip attention in O(N + M): the grid that keeps the accuracy promise, and the way through it.

The grid is sized from the data. A first size follows from the spread of queries and keys; then the error is estimated
from the table itself, on a sample of the queries, and the grid refined until it is below rtol / 2. The estimate is
cheap: the third derivative of neighbouring cubics differs by the fourth derivative of the curve, which is what the
interpolation error is made of.

Where the size of the grid must not depend on the data, it is the one that M and rtol ask for on 16 octaves, which the
usual range of queries leaves far denser than need be.

Shapes: P problems (batch × heads), N queries t = scale·q, M keys, d channels of the values.
"""

import math
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

from . import exact, read_off
from .curve import Curve, Grid, Keys, extent, rank_keys, sample_curve, sample_curve_backward
from .policy import MOST_CELLS, Settings

CELLS_PER_OCTAVE = 5.0  # at rtol 1e-6, for each unit of 1 + ln M: docs/strip_attention.md measures it
FIXED_OCTAVES = 16.0  # that a grid of fixed size is made for
GRADIENT_CELLS_PER_OCTAVE = 64.0  # at least, at rtol 1e-6: sums of a key's gradient may cancel, their errors do not
LEAST_CELLS = 32
SAMPLED_QUERIES = 256  # of each problem, for the estimate of the error


class Fit(NamedTuple):
    """A sampled curve.

    Attributes:
        keys: of the curve.
        grid: where it is sampled.
        curve: its values and slopes, in the dtype of the keys.
        table: the coefficients of its cubics, (P, 2, C, 4, d), in the dtype of the values.
    """

    keys: Keys
    grid: Grid
    curve: Curve
    table: Tensor


def fit_to_data(
    t: Tensor, k: Tensor, v: Tensor, rtol: float, for_gradients: bool = False, most_cells: int = MOST_CELLS
) -> Fit | None:
    """Sample the curve as finely as ``rtol`` needs. Reads numbers back from the device.

    Args:
        t: (P, N).
        k: (P, M).
        v: (P, M, d).
        rtol: relative Frobenius error of the output.
        for_gradients: which need a finer grid.
        most_cells: to use on each half-axis.

    Returns:
        None where ``most_cells`` are not enough, or where keys or values are not finite.
    """
    some_t, keys = sample_queries(t), rank_keys(k)
    knee, reach = extent(some_t, keys)
    octaves = reach.max().item() / math.log(2)
    if not math.isfinite(octaves):
        return None
    cells = max(LEAST_CELLS, math.ceil(cells_per_octave(k.shape[-1], rtol, for_gradients) * octaves))
    last_error = math.inf
    while cells <= most_cells:
        fitted = _sample(keys, Grid(cells, knee, reach / cells), v)
        if not math.isfinite(torch.linalg.vector_norm(fitted.table, math.inf).item()):
            return None
        error, size = (x.norm().item() for x in estimate_error(fitted, some_t))
        error = error / size if size > 0 else error
        if error <= rtol / 2:
            return fitted
        if not error < last_error / 2:  # rounding, or not finite: no grid is fine enough
            return None
        last_error = error
        cells = math.ceil(cells * min(4.0, 1.1 * (2 * error / rtol) ** 0.25))
    return None


def fit_to_size(some_t: Tensor, k: Tensor, v: Tensor, rtol: float, for_gradients: bool = False) -> Fit:
    """Sample the curve on a grid whose size depends on M and ``rtol`` alone.

    Args:
        some_t: from ``sample_queries``.
        k, v, rtol, for_gradients: as in ``fit_to_data``.
    """
    keys, cells = rank_keys(k), fixed_cells(k.shape[-1], rtol, for_gradients)
    knee, reach = extent(some_t, keys)
    return _sample(keys, Grid(cells, knee, reach / cells), v)


def cells_per_octave(keys: int, rtol: float, for_gradients: bool = False) -> float:
    """The error falls with the fourth power of the density, and grows with that of ln M."""
    cells = CELLS_PER_OCTAVE * (1 + math.log(keys))
    return (max(cells, GRADIENT_CELLS_PER_OCTAVE) if for_gradients else cells) * (1e-6 / rtol) ** 0.25


def fixed_cells(keys: int, rtol: float, for_gradients: bool = False) -> int:
    """Cells of a grid whose size may not depend on the data."""
    return math.ceil(FIXED_OCTAVES * cells_per_octave(keys, rtol, for_gradients))


def attend(t: Tensor, k: Tensor, v: Tensor, settings: Settings) -> Tensor:
    """(P, N), (P, M), (P, M, d) -> (P, N, d); in the exact form where ``settings`` cannot be kept."""
    fitted = fit_to_data(t, k, v, settings.rtol, most_cells=settings.most_cells)
    return exact.attend(t, k, v, settings) if fitted is None else attend_fitted(t, fitted)


def attend_backward(
    grad: Tensor, t: Tensor, k: Tensor, v: Tensor, settings: Settings
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of t, k (float64) and v from that of the output, (P, N, d)."""
    fitted = fit_to_data(t, k, v, settings.rtol, for_gradients=True, most_cells=settings.most_cells)
    if fitted is None:
        return exact.attend_backward(grad, t, k, v, settings)
    return backward_fitted(grad, t, v, fitted)


def attend_fitted(t: Tensor, fitted: Fit) -> Tensor:
    """Read the queries (P, N) off a sampled curve, (P, N, d)."""
    return read_off.read_off(t, fitted.table, fitted.grid)


def backward_fitted(grad: Tensor, t: Tensor, v: Tensor, fitted: Fit) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of t, k (float64) and v from that of the output. The one of t is the derivative of the interpolant."""
    grad_t, grad_table = read_off.read_off_backward(grad, t, fitted.table, fitted.grid)
    return grad_t, *backward_to_keys(grad_table, v, fitted)


def backward_to_keys(grad_table: Tensor, v: Tensor, fitted: Fit) -> tuple[Tensor, Tensor]:
    """Gradients of k (float64) and v from that of the table."""
    grad_value, grad_slope = read_off.tabulate_backward(grad_table, fitted.curve, fitted.grid)
    return sample_curve_backward(fitted.curve, fitted.keys, v, grad_value, grad_slope)


def estimate_error(fitted: Fit, t: Tensor) -> tuple[Tensor, Tensor]:
    """Frobenius norms, over the finite queries ``t`` of each problem, of the output's error and of the output; (P,).

    In the middle of a cell a cubic Hermite interpolant errs by F''''/384, in units of the cell. Its third derivative
    is 6 times the coefficient of u³, and changes by F'''' from cell to cell.
    """
    cubic = fitted.table[..., 3, :]  # (P, 2, C, d)
    jump = torch.linalg.vector_norm(cubic.diff(dim=2), dim=-1, dtype=torch.float64)
    jump = torch.maximum(F.pad(jump, (0, 1)), F.pad(jump, (1, 0)))
    cell, u = read_off.locate(t, fitted.grid)
    error = torch.linalg.vector_norm(jump.flatten()[cell], dim=-1) * (6 / 384)
    out = read_off.mix_rows(fitted.table, cell, u)
    return error, torch.linalg.vector_norm(out, dim=(-2, -1), dtype=torch.float64)


def sample_queries(t: Tensor) -> Tensor:
    """Both extremes and some others of every problem, (P, ·); 0 for infinite and NaN ones."""
    finite = t.nan_to_num(nan=0.0, posinf=0.0, neginf=0.0)
    # at steps of the golden ratio, which no image's width is a multiple of
    golden = torch.arange(SAMPLED_QUERIES, dtype=torch.float64, device=t.device) * ((math.sqrt(5) - 1) / 2) % 1
    others = finite[:, (golden * t.shape[-1]).long()]
    return torch.cat([others, finite.amin(-1, keepdim=True), finite.amax(-1, keepdim=True)], dim=-1)


def _sample(keys: Keys, grid: Grid, v: Tensor) -> Fit:
    curve = sample_curve(grid, keys, v)
    return Fit(keys, grid, curve, read_off.tabulate(curve, grid).to(v.dtype))
