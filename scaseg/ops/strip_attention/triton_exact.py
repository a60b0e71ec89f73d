"""The exact form on a GPU for those problems that a flag on the device names: Triton kernels.

They are the net under a grid of fixed size: always launched, they leave at once where the flag is false, so that
nobody has to wait for the device to tell. Where it is true they work through all queries × keys in float64, as weights
exp(−τ δ) of the keys' distances from the one that wins, and put the results in place of the interpolated ones.
NaN and inf spread as in softmax.
"""

import torch
import triton
import triton.language as tl
from torch import Tensor

from .curve import Keys

BLOCK_ELEMENTS = 2048


def attend(doubtful: Tensor, t: Tensor, keys: Keys, v: Tensor, out: Tensor) -> None:
    """Replace ``out``, (P, N, d), of the problems that are ``doubtful``, (P,), bool."""
    sizes = *_lengths(t, v), *_blocks(v)
    _attend[_launch_grid(t, v)](doubtful, t.contiguous(), keys.distance, v.contiguous(), out, *sizes)


def attend_backward(
    doubtful: Tensor, grad: Tensor, t: Tensor, keys: Keys, v: Tensor, grad_t: Tensor, grad_k: Tensor, grad_v: Tensor
) -> None:
    """Replace the gradients of t (P, N), k (P, M), float64, and v (P, M, d) of the problems that are ``doubtful``."""
    inputs = doubtful, grad.contiguous(), t.contiguous(), keys.distance, v.contiguous()
    mass, mean_along = torch.empty(2, *t.shape, dtype=torch.float64, device=t.device)
    sizes = *_lengths(t, v), *_blocks(v)
    _backward_to_queries[_launch_grid(t, v)](*inputs, mass, mean_along, grad_t, *sizes)
    _backward_to_keys[_launch_grid(grad_k, v)](*inputs, mass, mean_along, grad_k, grad_v, *sizes)


def _lengths(t: Tensor, v: Tensor) -> tuple[int, int]:
    return t.shape[-1], v.shape[-2]


def _blocks(v: Tensor) -> tuple[int, int, int]:
    """Channels, and rows and columns of a block."""
    columns = triton.next_power_of_2(v.shape[-1])
    return v.shape[-1], max(1, BLOCK_ELEMENTS // columns), columns


def _launch_grid(rows: Tensor, v: Tensor) -> tuple[int]:
    return (len(rows) * triton.cdiv(rows.shape[-1], _blocks(v)[1]),)


@triton.jit
def _attend(
    doubtful_ptr, t_ptr, distance_ptr, v_ptr, out_ptr,
    queries, keys, channels: tl.constexpr, block: tl.constexpr, block_d: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(queries, block)
    problem = (tl.program_id(0) // blocks).to(tl.int64)
    if tl.load(doubtful_ptr + problem):
        n = tl.program_id(0) % blocks * block + tl.arange(0, block)
        d = tl.arange(0, block_d)
        t = tl.load(t_ptr + problem * queries + n, mask=n < queries, other=0.0)
        mass = tl.zeros([block], tl.float64)
        total = tl.zeros([block, block_d], tl.float64)
        for key in range(keys):
            from_largest, from_smallest, value = _load_key(distance_ptr, v_ptr, problem, key, keys, d, channels)
            weight = _weight(t, from_largest, from_smallest)
            mass += weight
            total += weight[:, None] * value[None, :]
        inside = (n < queries)[:, None] & (d < channels)[None, :]
        out = out_ptr + (problem * queries + n)[:, None] * channels + d[None, :]
        tl.store(out, (total / mass[:, None]).to(out_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _backward_to_queries(
    doubtful_ptr, grad_ptr, t_ptr, distance_ptr, v_ptr, mass_ptr, mean_along_ptr, grad_t_ptr,
    queries, keys, channels: tl.constexpr, block: tl.constexpr, block_d: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(queries, block)
    problem = (tl.program_id(0) // blocks).to(tl.int64)
    if tl.load(doubtful_ptr + problem):
        n = tl.program_id(0) % blocks * block + tl.arange(0, block)
        d = tl.arange(0, block_d)
        row = problem * queries + n
        t = tl.load(t_ptr + row, mask=n < queries, other=0.0)
        inside = (n < queries)[:, None] & (d < channels)[None, :]
        grad = tl.load(grad_ptr + row[:, None] * channels + d[None, :], mask=inside, other=0.0).to(tl.float64)
        mass = tl.zeros([block], tl.float64)
        mean_along = tl.zeros([block], tl.float64)  # of grad · v_j
        mean_distance = tl.zeros([block], tl.float64)
        for key in range(keys):
            from_largest, from_smallest, value = _load_key(distance_ptr, v_ptr, problem, key, keys, d, channels)
            weight = _weight(t, from_largest, from_smallest)
            mass += weight
            mean_along += weight * tl.sum(grad * value[None, :], axis=1)
            mean_distance += weight * tl.where(t < 0, from_smallest, from_largest)
        mean_along /= mass
        mean_distance /= mass
        covariance = tl.zeros([block], tl.float64)  # from the means: moments would cancel
        for key in range(keys):
            from_largest, from_smallest, value = _load_key(distance_ptr, v_ptr, problem, key, keys, d, channels)
            along = tl.sum(grad * value[None, :], axis=1)
            from_mean = tl.where(t < 0, from_smallest, from_largest) - mean_distance
            covariance += _weight(t, from_largest, from_smallest) * (along - mean_along) * from_mean
        grad_t = tl.where(t < 0, 1.0, -1.0) * covariance / mass
        tl.store(grad_t_ptr + row, grad_t.to(grad_t_ptr.dtype.element_ty), mask=n < queries)
        tl.store(mass_ptr + row, mass, mask=n < queries)
        tl.store(mean_along_ptr + row, mean_along, mask=n < queries)


@triton.jit
def _backward_to_keys(
    doubtful_ptr, grad_ptr, t_ptr, distance_ptr, v_ptr, mass_ptr, mean_along_ptr, grad_k_ptr, grad_v_ptr,
    queries, keys, channels: tl.constexpr, block: tl.constexpr, block_d: tl.constexpr,
):  # fmt: skip
    blocks = tl.cdiv(keys, block)
    problem = (tl.program_id(0) // blocks).to(tl.int64)
    if tl.load(doubtful_ptr + problem):
        m = tl.program_id(0) % blocks * block + tl.arange(0, block)
        d = tl.arange(0, block_d)
        distance = distance_ptr + 2 * problem * keys + m
        from_largest = tl.load(distance, mask=m < keys, other=0.0)
        from_smallest = tl.load(distance + keys, mask=m < keys, other=0.0)
        entry = (problem * keys + m)[:, None] * channels + d[None, :]
        inside = (m < keys)[:, None] & (d < channels)[None, :]
        value = tl.load(v_ptr + entry, mask=inside, other=0.0).to(tl.float64)
        grad_k = tl.zeros([block], tl.float64)
        grad_v = tl.zeros([block, block_d], tl.float64)
        for query in range(queries):
            row = problem * queries + query
            t = tl.load(t_ptr + row)
            grad = tl.load(grad_ptr + row * channels + d, mask=d < channels, other=0.0).to(tl.float64)
            share = _weight(t, from_largest, from_smallest) / tl.load(mass_ptr + row)
            along = tl.sum(value * grad[None, :], axis=1)
            grad_k += share * t.to(tl.float64) * (along - tl.load(mean_along_ptr + row))
            grad_v += share[:, None] * grad[None, :]
        tl.store(grad_k_ptr + problem * keys + m, grad_k, mask=m < keys)
        tl.store(grad_v_ptr + entry, grad_v.to(grad_v_ptr.dtype.element_ty), mask=inside)


@triton.jit
def _load_key(distance_ptr, v_ptr, problem, key, keys, d, channels: tl.constexpr):
    """Distances of a key from the largest and the smallest one, and its value, float64."""
    distance = distance_ptr + 2 * problem * keys + key
    value = tl.load(v_ptr + (problem * keys + key) * channels + d, mask=d < channels, other=0.0)
    return tl.load(distance), tl.load(distance + keys), value.to(tl.float64)


@triton.jit
def _weight(t, from_largest, from_smallest):
    """exp(−τ δ), float64, of keys at these distances; t or the distances are a block."""
    return tl.exp(-tl.abs(t).to(tl.float64) * tl.where(t < 0, from_smallest, from_largest))
