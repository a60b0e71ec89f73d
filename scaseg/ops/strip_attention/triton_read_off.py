"""Reading the curve off in one pass on a GPU: Triton kernels with the results of ``read_off.py``.

Forward reads t and writes the output; backward reads t and the output's gradient, writes the gradient of t and adds up
that of the table with atomic operations, in no fixed order. Rows and columns of a block: queries, channels.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .curve import Grid

BLOCK_ELEMENTS = 4096


def read_off(t: Tensor, table: Tensor, grid: Grid) -> Tensor:
    """(P, N) and (P, 2, C, 4, D) -> (P, N, D)."""
    out = table.new_empty(*t.shape, table.shape[-1])
    _read_off[_launch_grid(t, table)](t.contiguous(), table, grid.knee, grid.step, out, *_sizes(t, table))
    return out


def read_off_backward(grad: Tensor, t: Tensor, table: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Gradients of t, (P, N), and of the table, float64, from that of the output, (P, N, D)."""
    grad_t = torch.empty_like(t, memory_format=torch.contiguous_format)
    grad_table = torch.zeros_like(table, dtype=torch.float64)
    inputs = grad.contiguous(), t.contiguous(), table
    _read_off_backward[_launch_grid(t, table)](*inputs, grid.knee, grid.step, grad_t, grad_table, *_sizes(t, table))
    return grad_t, grad_table


def _sizes(t: Tensor, table: Tensor) -> tuple[int, int, int, int, int]:
    channels = triton.next_power_of_2(table.shape[-1])
    return t.shape[-1], table.shape[2], table.shape[-1], max(1, BLOCK_ELEMENTS // channels), channels


def _launch_grid(t: Tensor, table: Tensor) -> tuple[int]:
    return (len(t) * triton.cdiv(t.shape[-1], _sizes(t, table)[3]),)


@triton.jit
def _locate(t, knee, step, cells):
    """Cell on the half-axis and position u in it; as ``read_off.locate``."""
    ratio = tl.abs(t).to(tl.float64) / knee
    above_one = 1.0 + ratio  # log1p(x) = log(w)·x / (w − 1) with w = 1 + x as rounded
    log1p = tl.where(above_one == 1.0, ratio, tl.log(above_one) * (ratio / (above_one - 1.0)))
    place = tl.minimum(log1p / step, cells.to(tl.float64))
    cell = tl.minimum(tl.maximum(place, 0.0), cells - 1.0).to(tl.int32)
    return cell, (place - cell.to(tl.float64)).to(t.dtype) + (t - t)


@triton.jit
def _read_off(
    t_ptr, table_ptr, knee_ptr, step_ptr, out_ptr,
    queries, cells, channels: tl.constexpr, block: tl.constexpr, block_d: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(queries, block)
    problem = (tl.program_id(0) // blocks).to(tl.int64)
    n = tl.program_id(0) % blocks * block + tl.arange(0, block)
    d = tl.arange(0, block_d)
    t = tl.load(t_ptr + problem * queries + n, mask=n < queries, other=0.0)
    cell, u = _locate(t, tl.load(knee_ptr + problem), tl.load(step_ptr + problem), cells)
    row = ((problem * 2 + (t < 0).to(tl.int64)) * cells + cell) * 4
    inside = (n < queries)[:, None] & (d < channels)[None, :]
    entry = table_ptr + row[:, None] * channels + d[None, :]
    u = u[:, None]
    out = tl.load(entry + 3 * channels, mask=inside)
    out = tl.load(entry + 2 * channels, mask=inside) + u * out
    out = tl.load(entry + channels, mask=inside) + u * out
    out = tl.load(entry, mask=inside) + u * out
    tl.store(out_ptr + (problem * queries + n)[:, None] * channels + d[None, :], out, mask=inside)


@triton.jit
def _read_off_backward(
    grad_ptr, t_ptr, table_ptr, knee_ptr, step_ptr, grad_t_ptr, grad_table_ptr,
    queries, cells, channels: tl.constexpr, block: tl.constexpr, block_d: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(queries, block)
    problem = (tl.program_id(0) // blocks).to(tl.int64)
    n = tl.program_id(0) % blocks * block + tl.arange(0, block)
    d = tl.arange(0, block_d)
    t = tl.load(t_ptr + problem * queries + n, mask=n < queries, other=0.0)
    knee, step = tl.load(knee_ptr + problem), tl.load(step_ptr + problem)
    cell, position = _locate(t, knee, step, cells)
    row = ((problem * 2 + (t < 0).to(tl.int64)) * cells + cell) * 4
    inside = (n < queries)[:, None] & (d < channels)[None, :]
    entry = row[:, None] * channels + d[None, :]
    u = position[:, None]
    grad = tl.load(grad_ptr + (problem * queries + n)[:, None] * channels + d[None, :], mask=inside, other=0.0)
    slope = tl.load(table_ptr + entry + 2 * channels, mask=inside, other=0.0) * 2.0
    slope += 3.0 * u * tl.load(table_ptr + entry + 3 * channels, mask=inside, other=0.0)
    slope = tl.load(table_ptr + entry + channels, mask=inside, other=0.0) + u * slope
    along_grad = tl.sum(slope * grad, axis=1)
    side = tl.where(t < 0, -1.0, 1.0)
    grad_t = along_grad * side / step.to(t.dtype) / (knee + tl.abs(t)).to(t.dtype)
    tl.store(grad_t_ptr + problem * queries + n, grad_t, mask=n < queries)
    grad = grad.to(tl.float64)
    for power in tl.static_range(4):
        tl.atomic_add(grad_table_ptr + entry + power * channels, grad, mask=inside)
        grad = grad * u
