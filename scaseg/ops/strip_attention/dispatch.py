"""Strip attention as one operator of torch: checks of the inputs, and the operator's registration.

``policy.py`` chooses the form. None of them keeps an N × M tensor, forward or backward, but the naive one.

As a registered operator it is one node for ``torch.compile`` and ``torch.export``, has a gradient, works under
autocast, and tells torch's FLOP counter the cost of its definition, whichever way it is computed.
"""

import math
from types import ModuleType
from typing import Literal, get_args

import torch
from torch import Tensor
from torch.autograd.forward_ad import unpack_dual
from torch.utils.flop_counter import register_flop_formula

from ..precision import no_autocast
from . import exact, interpolated, padded_sdpa
from .naive import naive_strip_attention
from .policy import HAS_TRITON, Form, choose, takes_fused_attention
from .read_off import read_off_by_gathers

Method = Literal['auto', 'naive', 'exact', 'interpolated', 'padded_sdpa', 'triton']
METHODS = get_args(Method)
LEAST_RTOL = {torch.float64: 1e-12, torch.float32: 1e-6}


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
            works through all N·M weights in blocks; ``'padded_sdpa'`` is torch's fused attention on padded channels;
            ``'triton'`` are kernels that have not run on a GPU yet; ``'naive'`` is the definition, with a (B, h, N, M)
            matrix. ``'auto'`` is what ``policy.py`` says: on a CPU it interpolates unless the exact form is cheaper,
            on a GPU it takes fused attention up to a size; ``choose_method`` tells which.
        rtol: bound on the relative Frobenius error of the output, of the interpolation; default and least 1e-6
            (1e-12 for float64). Fused attention has the error of float32 logits instead.

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
    if takes_fused_attention(q, k, method):
        with no_autocast(v.device.type):
            return padded_sdpa.attend(*_flatten(q, k, v, scale)).view(*q.shape, -1).to(dtype)
    return _attend(q, k, v, scale, method, rtol).to(dtype)


def choose_method(
    q: Tensor, k: Tensor, v: Tensor, scale: float = 1.0, rtol: float | None = None
) -> Literal['naive', 'exact', 'interpolated', 'padded_sdpa', 'triton']:
    """What ``strip_attention(..., method='auto')`` does with these inputs."""
    _check_inputs(q, k, v, 'auto')
    q, k, v = (x.detach() if x.dtype in LEAST_RTOL else x.detach().float() for x in (q, k, v))
    if 0 in (q.numel(), v.numel()):
        return 'naive'
    if takes_fused_attention(q, k, 'auto'):
        return 'padded_sdpa'
    t, k, v = _flatten(q, k, v, scale)
    form, settings = choose(t, k, 'auto', _check_rtol(rtol, v.dtype))
    if form == 'interpolated' and interpolated.fit_to_data(t, k, v, settings.rtol, False, settings.most_cells) is None:
        return 'exact'
    return form


@torch.library.custom_op('scaseg::strip_attention', mutates_args=())
def _attend(q: Tensor, k: Tensor, v: Tensor, scale: float, method: str, rtol: float) -> Tensor:
    with no_autocast(v.device.type):
        t, k, v = _flatten(q, k, v, scale)
        form, settings = choose(t, k, method, rtol)
        return _module_of(form).attend(t, k, v, settings).view(*q.shape, -1)


@_attend.register_fake
def _(q: Tensor, k: Tensor, v: Tensor, scale: float, method: str, rtol: float) -> Tensor:
    return v.new_empty(*q.shape, v.shape[-1])


@torch.library.custom_op('scaseg::strip_attention_backward', mutates_args=())
def _attend_backward(
    grad: Tensor, q: Tensor, k: Tensor, v: Tensor, scale: float, method: str, rtol: float
) -> tuple[Tensor, Tensor, Tensor]:
    with no_autocast(v.device.type):
        problems = _flatten(q, k, v, scale)
        form, settings = choose(*problems[:2], method, rtol)
        grad = grad.flatten(0, 1).contiguous()
        grad_t, grad_k, grad_v = _module_of(form).attend_backward(grad, *problems, settings)
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


def _module_of(form: Form) -> ModuleType:
    """The file of a form with gradients of its own: ``attend`` and ``attend_backward``."""
    if form == 'triton':
        from . import triton  # imports Triton, which is not everywhere

        return triton
    return {'exact': exact, 'interpolated': interpolated}[form]


def _check_inputs(q: Tensor, k: Tensor, v: Tensor, method: str) -> None:
    if method not in METHODS:
        raise ValueError(f'method={method!r}: expected one of {", ".join(METHODS)}')
    if method == 'triton' and not HAS_TRITON:
        raise ValueError("method='triton': Triton is not installed; torch brings it along for Linux with CUDA")
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
