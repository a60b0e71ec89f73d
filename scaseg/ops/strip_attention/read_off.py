"""Reading the curve of strip attention off its grid: one pass over the queries, whatever the number of keys.

Between two points the curve is the cubic with the values and slopes at both ends (cubic Hermite interpolation), stored
as the coefficients of 1, u, u² and u³ for the position u ∈ [0, 1] in the cell. Reading off is then a weighted sum of
four neighbouring rows of a table: an embedding bag, for which torch has fused kernels.

Shapes: P problems, C cells on each of 2 half-axes, N queries, d channels of the values. Rows of the table are ordered
by problem, half-axis, cell, power of u.
"""

from collections.abc import Iterator

import torch
import torch.nn.functional as F
from torch import Tensor

from .curve import Curve, Grid

READ_AT_ONCE = 2**17  # queries whose positions stay in a processor's cache
SUM_AT_ONCE = 2**16  # queries whose gradients do
SUMMED_IN_FLOAT32 = 8  # gradients at most


def tabulate(curve: Curve, grid: Grid) -> Tensor:
    """Coefficients of the cubics, (P, 2, C, 4, d)."""
    slope = curve.slope * _tau_per_cell(curve, grid)
    linear, slope_right = slope[:, :, :-1], slope[:, :, 1:]
    left = curve.value[:, :, :-1]
    rise = curve.value[:, :, 1:] - left
    cubic = (linear + slope_right).sub_(rise, alpha=2)
    square = rise.sub_(linear).sub_(cubic)  # what the others leave of the rise
    return torch.stack([left + curve.winner, linear, square, cubic], dim=-2)


def tabulate_backward(grad_table: Tensor, curve: Curve, grid: Grid) -> tuple[Tensor, Tensor]:
    """Gradients of value and slope of the curve, (P, 2, C + 1, d), from those of the table."""
    constant, linear, square, cubic = grad_table.unbind(-2)
    rise = 3 * square - 2 * cubic
    value = F.pad(constant - rise, (0, 0, 0, 1)) + F.pad(rise, (0, 0, 1, 0))
    slope = F.pad(linear - 2 * square + cubic, (0, 0, 0, 1)) + F.pad(cubic - square, (0, 0, 1, 0))
    return value, slope * _tau_per_cell(curve, grid)


def locate(t: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Cell of the table, counted over all problems, and position u in it; (P, N) each.

    Computed in the dtype of the grid, float64, before u is rounded to that of t: gradients of the keys feel the
    rounding of a query's place among all cells. Queries that are infinite or NaN get the position NaN.
    """
    rows = 8 * t.shape[0] * grid.cells
    # half the memory to read; an export with a dynamic batch has no bound
    index = torch.int32 if isinstance(rows, int) and rows < 2**31 else torch.int64
    place = (t.abs() / grid.knee).log1p_().div_(grid.step).clamp_(max=grid.cells)
    cell = place.to(index).clamp_(0, grid.cells - 1)
    u = place.sub_(cell).to(t.dtype).add_(t - t)
    first_cell = torch.arange(0, 2 * t.shape[0] * grid.cells, 2 * grid.cells, dtype=index, device=t.device)
    return cell.add_(first_cell.unsqueeze(-1)).add_(t < 0, alpha=grid.cells), u


def read_off(t: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """(P, N) -> (P, N, d), the curve at every query."""
    if t.numel() <= READ_AT_ONCE:
        return mix_rows(table, *locate(t, grid))
    out = table.new_empty(*t.shape, table.shape[-1])
    for some, block in _blocks(t, READ_AT_ONCE):
        cell, u = locate(t[some, block], grid.of(some))
        out[some, block] = mix_rows(table[some], cell, u)
    return out


def read_off_by_gathers(t: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """The same in operators that exchange formats have, where an embedding bag becomes a loop over the queries."""
    cell, u = locate(t, grid)
    constant, linear, square, cubic = table.flatten(0, 2).unbind(1)
    cell, u = cell.long(), u.unsqueeze(-1)
    out = F.embedding(cell, cubic)
    for coefficient in (square, linear, constant):
        out = F.embedding(cell, coefficient) + u * out
    return out


def read_off_backward(grad: Tensor, t: Tensor, table: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Gradients of t, (P, N), and of the table, float64, from that of the output, (P, N, d)."""
    grad_t, grad_table = torch.empty_like(t), torch.zeros_like(table, dtype=torch.float64)
    for some, block in _blocks(t, SUM_AT_ONCE):
        own_grad, own_t, own_grid, own_table = grad[some, block], t[some, block], grid.of(some), table[some]
        cell, u = locate(own_t, own_grid)
        along_cell = (mix_rows(own_table, cell, u, derivative=True) * own_grad).sum(-1)
        grad_t[some, block] = _per_t(along_cell, own_t, own_grid)
        _sum_into_cells(own_grad, cell, u, grad_table[some])
    return grad_t, grad_table


def mix_rows(table: Tensor, cell: Tensor, u: Tensor, derivative: bool = False) -> Tensor:
    """(P, N, d), the cubics of the cells at the positions u, or their derivatives by u."""
    one = torch.ones_like(u)
    powers = [one, 2 * u, 3 * u * u] if derivative else [one, u, u * u, u * u * u]  # the constant has no derivative
    rows = 4 * cell.reshape(-1, 1) + torch.arange(4 - len(powers), 4, dtype=cell.dtype, device=cell.device)
    weights = torch.stack(powers, dim=-1).flatten(0, -2)
    out = F.embedding_bag(rows, table.view(-1, table.shape[-1]), per_sample_weights=weights, mode='sum')
    return out.view(*cell.shape, -1)


def _per_t(slope: Tensor, t: Tensor, grid: Grid) -> Tensor:
    """Slopes along u, (P, N), as slopes along t."""
    knee, step = grid.knee.to(t.dtype), grid.step.to(t.dtype)
    return slope / torch.where(t < 0, -step, step) / (t.abs() + knee)


def _tau_per_cell(curve: Curve, grid: Grid) -> Tensor:
    """dτ / du at the points, (P, 1, C + 1, 1)."""
    return (grid.knee[:, None, :, None] + curve.tau) * grid.step[:, None, :, None]


def _blocks(t: Tensor, at_once: int) -> Iterator[tuple[slice, slice]]:
    """Slices of problems and of their queries, about ``at_once`` in all."""
    problems, queries = t.shape
    together = max(1, at_once // queries)
    for first in range(0, problems, together):
        for start in range(0, queries, at_once):
            yield slice(first, first + together), slice(start, start + at_once)


def _sum_into_cells(grad: Tensor, cell: Tensor, u: Tensor, sums: Tensor) -> None:
    """Add Σ grad · (1, u, u², u³) over the queries of each cell to ``sums``, float64, in the shape of the table.

    Thousands of gradients of one sign meet in a cell: a sum in float32 would lose four digits. So the queries are
    sorted by cell, an embedding bag sums a few of them, and the sums of the bags are added in float64.
    """
    cell, order = cell.flatten().sort()
    starts = torch.ones_like(cell, dtype=torch.bool)
    torch.ne(cell[1:], cell[:-1], out=starts[1:])
    starts[::SUMMED_IN_FLOAT32] = True
    starts = starts.nonzero().squeeze(-1)
    grad, u = grad.flatten(0, 1), u.flatten()[order]
    bags, power = [F.embedding_bag(order, grad, starts, mode='sum')], u
    for _ in range(3):
        bags.append(F.embedding_bag(order, grad, starts, mode='sum', per_sample_weights=power))
        power = power * u
    rows = sums.view(-1, 4 * grad.shape[-1])
    rows.index_add_(0, cell[starts].long(), torch.cat(bags, dim=-1).to(sums.dtype))
