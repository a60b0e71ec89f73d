"""Strip attention in linear time, as one operator of torch: forward and backward never form an N × M tensor.

As a registered operator it is one node for ``torch.compile`` and ``torch.export``, has a gradient, works under
autocast, and tells torch's FLOP counter the cost of its definition, whichever way it is computed.
"""

import importlib.util
import math
from types import ModuleType
from typing import Literal

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.utils.flop_counter import register_flop_formula

from ..precision import no_autocast
from . import exact, interpolated
from .naive import naive_strip_attention
from .read_off import read_off_by_gathers

Method = Literal['auto', 'naive', 'exact', 'interpolated']
LEAST_RTOL = {torch.float64: 1e-12, torch.float32: 1e-6}
HAS_TRITON = importlib.util.find_spec('triton') is not None
READ_OFF_COST = 16  # of reading one query off, in weights of the exact form
QUERIES_PER_CELL = 12  # whose output takes as much memory as a cell's moments and cubics


def strip_attention(
    q: Tensor, k: Tensor, v: Tensor, scale: float = 1.0, method: Method = 'auto', rtol: float | None = None
) -> Tensor:
    """Softmax attention whose queries and keys are single numbers: ``out_i = Σ_j softmax_j(scale·q_i·k_j) v_j``.

    Half precision is computed in float32, also under autocast: the products of two large activations leave the range
    of float16 long before the activations do. An ONNX export holds the interpolation on a grid of fixed size.

    Args:
        q: queries (B, h, N), one real number per head and token.
        k: keys (B, h, M).
        v: values (B, h, M, d).
        scale: factor on the logits.
        method: ``'interpolated'`` samples the curve that the outputs lie on and reads it off, O(N + M); ``'exact'``
            works through all N·M weights in blocks; ``'naive'`` is the definition, with a (B, h, N, M) matrix.
            ``'auto'`` interpolates unless the exact form is cheaper; ``choose_method`` tells which.
        rtol: bound on the relative Frobenius error of the output, of the interpolation; default and least 1e-6
            (1e-12 for float64).

    Returns:
        (B, h, N, d), in the dtype of ``v``: for every query a convex combination of its head's values.

    Raises:
        ValueError: shapes, dtypes or devices do not fit each other, the method is unknown, ``scale`` is a tensor, or
            ``rtol`` is too small.

    Example:
        >>> q, k, v = torch.randn(1, 8, 131072), torch.randn(1, 8, 2048), torch.randn(1, 8, 2048, 16)
        >>> strip_attention(q, k, v).shape
        torch.Size([1, 8, 131072, 16])
    """
    _check_inputs(q, k, v, method)
    if isinstance(scale, Tensor):
        raise ValueError('scale must be a number, which has no gradient; multiply q by a learned scale')
    dtype = v.dtype
    q, k, v = (x if x.dtype in LEAST_RTOL else x.float() for x in (q, k, v))
    rtol = _check_rtol(rtol, v.dtype)
    if method == 'naive' or 0 in (q.numel(), v.numel()):
        with no_autocast(v.device.type):
            return naive_strip_attention(q, k, v, scale).to(dtype)
    if any(unpack_dual(x).tangent is not None for x in (q, k, v)):  # a registered operator would see a constant
        raise NotImplementedError("strip_attention has no forward-mode derivative; method='naive' has")
    if torch.onnx.is_in_onnx_export():  # has no node for operators of our own
        t, k, v = _flatten(q, k, v, scale)
        fitted = interpolated.fit_to_size(interpolated.sample_queries(t), k, v, rtol)
        return read_off_by_gathers(t, fitted.table, fitted.grid).view(*q.shape, -1).to(dtype)
    return _attend(q, k, v, scale, method, rtol).to(dtype)


def choose_method(
    q: Tensor, k: Tensor, v: Tensor, scale: float = 1.0, rtol: float | None = None
) -> Literal['naive', 'exact', 'interpolated']:
    """What ``strip_attention(..., method='auto')`` does with these inputs."""
    _check_inputs(q, k, v, 'auto')
    q, k, v = (x.detach() if x.dtype in LEAST_RTOL else x.detach().float() for x in (q, k, v))
    if 0 in (q.numel(), v.numel()):
        return 'naive'
    rtol, problems = _check_rtol(rtol, v.dtype), _flatten(q, k, v, scale)
    interpolates = _is_worth_kernels(*problems[:2], 'auto', rtol) or _fit(*problems, 'auto', rtol) is not None
    return 'interpolated' if interpolates else 'exact'


@torch.library.custom_op('scaseg::strip_attention', mutates_args=())
def _attend(q: Tensor, k: Tensor, v: Tensor, scale: float, method: str, rtol: float) -> Tensor:
    with no_autocast(v.device.type):
        problems = _flatten(q, k, v, scale)
        if _is_worth_kernels(*problems[:2], method, rtol):
            out = _on_gpu().attend(*problems, rtol)
        elif fitted := _fit(*problems, method, rtol):
            out = interpolated.attend(problems[0], fitted)
        else:
            out = exact.attend(*problems)
        return out.view(*q.shape, -1)


@_attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, scale: float, method: str, rtol: float) -> Tensor:
    return v.new_empty(*q.shape, v.shape[-1])


@torch.library.custom_op('scaseg::strip_attention_backward', mutates_args=())
def _attend_backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float, method: str, rtol: float
) -> tuple[Tensor, Tensor, Tensor]:
    with no_autocast(v.device.type):
        problems = _flatten(q, k, v, scale)
        grad = grad.flatten(0, 1).contiguous()
        if _is_worth_kernels(*problems[:2], method, rtol):
            grads = _on_gpu().attend_backward(grad, *problems, rtol)
        elif fitted := _fit(*problems, method, rtol, for_gradients=True):
            grads = interpolated.attend_backward(grad, problems[0], problems[2], fitted)
        else:
            grads = exact.attend_backward(grad, *problems)
        grad_t, grad_k, grad_v = grads
        return (
            grad_t.mul_(scale).view(q.shape),
            grad_k.to(k.dtype).view(k.shape),
            grad_v.to(v.dtype).view(v.shape),
        )


@_attend_backward.register_fake
def _(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float, method: str, rtol: float
) -> tuple[Tensor, Tensor, Tensor]:
    return q.new_empty(q.shape), k.new_empty(k.shape), v.new_empty(v.shape)


def _keep_inputs(ctx, inputs: tuple, output: Tensor) -> None:
    ctx.save_for_backward(*inputs[:3])
    ctx.settings = inputs[3:]


def _backward(ctx, grad: Tensor) -> tuple:
    return *_attend_backward(grad, *ctx.saved_tensors, *ctx.settings), None, None, None


_attend.register_autograd(_backward, setup_context=_keep_inputs)


@register_flop_formula([torch.ops.scaseg.strip_attention, torch.ops.scaseg.strip_attention_backward])
def _count_flops(*shapes: tuple, out_shape: tuple, **_: object) -> int:
    """The products of the definition, q·k and weights·v: what papers count. The backward has each of them twice."""
    q_shape, k_shape, v_shape = [shape for shape in shapes if isinstance(shape, tuple)][-3:]
    factor = 1 if len(out_shape) == 4 else 2  # one shape, or three of them
    return factor * 2 * math.prod(q_shape) * k_shape[-1] * (1 + v_shape[-1])


def _flatten(q: Tensor, k: Tensor, v: Tensor, scale: float) -> tuple[Tensor, Tensor, Tensor]:
    """t = scale·q, k and v with batch and heads in one dimension, contiguous, as the results then are."""
    t, k, v = (x.flatten(0, 1).contiguous() for x in (scale * q, k, v))
    return t, k, v


def _has_kernels(t: Tensor) -> bool:
    """Whether Triton's kernels may run: on a GPU, unless results shall be deterministic."""
    return t.is_cuda and HAS_TRITON and not torch.are_deterministic_algorithms_enabled()


def _on_gpu() -> ModuleType:
    from . import on_gpu  # needs Triton

    return on_gpu


def _is_worth_kernels(t: Tensor, k: Tensor, method: str, rtol: float) -> bool:
    """Both passes decide by the forward pass's grid."""
    if method == 'exact' or not _has_kernels(t):
        return False
    return interpolated.fixed_cells(k.shape[-1], rtol) <= _most_cells(t, k, method)


def _fit(
    t: Tensor, k: Tensor, v: Tensor, method: str, rtol: float, for_gradients: bool = False
) -> interpolated.Fit | None:
    """The sampled curve, or None where the exact form is asked for, is cheaper, or is needed to spread inf and NaN."""
    if method == 'exact' or _has_kernels(t):
        return None
    return interpolated.fit_to_data(t, k, v, rtol, for_gradients, _most_cells(t, k, method))


def _most_cells(t: Tensor, k: Tensor, method: str) -> int:
    """On each half-axis: neither the points' weights nor their memory may outweigh what the exact form takes."""
    if method == 'interpolated':
        return interpolated.MOST_CELLS
    queries, keys = t.shape[-1], k.shape[-1]
    return min(math.floor(queries * (keys - READ_OFF_COST) / keys / 2) - 1, queries // QUERIES_PER_CELL)


def _check_inputs(q: Tensor, k: Tensor, v: Tensor, method: str) -> None:
    if method not in ('auto', 'naive', 'exact', 'interpolated'):
        raise ValueError(f"method={method!r}: expected 'auto', 'naive', 'exact' or 'interpolated'")
    if q.dim() != 3 or v.dim() != 4 or k.shape != v.shape[:3] or q.shape[:2] != k.shape[:2]:
        shapes = ', '.join(f'{name} {tuple(x.shape)}' for name, x in zip('qkv', (q, k, v), strict=True))
        raise ValueError(f'expected q (B, h, N), k (B, h, M) and v (B, h, M, d), got {shapes}')
    if not q.dtype == k.dtype == v.dtype or not v.is_floating_point():
        raise ValueError(f'q, k and v must have one floating dtype, got {q.dtype}, {k.dtype} and {v.dtype}')
    if not q.device == k.device == v.device:
        raise ValueError(f'q, k and v must be on one device, got {q.device}, {k.device} and {v.device}')


def _check_rtol(rtol: float | None, dtype: torch.dtype) -> float:
    least = LEAST_RTOL[dtype]
    if rtol is not None and not least <= rtol < 1:
        raise ValueError(f'rtol={rtol}: {dtype} can keep {least:g} at best, and it must be below 1')
    return least if rtol is None else rtol
