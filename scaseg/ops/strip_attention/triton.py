"""Strip attention by Triton kernels, without waiting for the GPU: a grid of fixed size, and a net under it.

The kernels are tested in Triton's interpreter and compile for GPUs; none has run on one yet, so nothing takes them by
itself (``policy.py``).

To read a number back would stall the step, so the number of cells depends on M and rtol alone and is ample; the points
are spread over the measured range on the device. There, too, the error is estimated, for each problem, and where it is
beyond the promise the exact form takes the place of the interpolation.

Shapes: P problems (batch × heads), N queries t = scale·q, M keys, d channels of the values.
"""

from torch import Tensor

from . import interpolated, triton_exact, triton_read_off
from .policy import Settings


def attend(t: Tensor, k: Tensor, v: Tensor, settings: Settings) -> Tensor:
    """(P, N), (P, M), (P, M, d) -> (P, N, d)."""
    some_t = interpolated.sample_queries(t)
    fitted = interpolated.fit_to_size(some_t, k, v, settings.rtol)
    out = triton_read_off.read_off(t, fitted.table, fitted.grid)
    triton_exact.attend(_needs_exact(fitted, some_t, settings.rtol), t, fitted.keys, v, out)
    return out


def attend_backward(
    grad: Tensor, t: Tensor, k: Tensor, v: Tensor, settings: Settings
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of t, k (float64) and v from that of the output, (P, N, d)."""
    some_t = interpolated.sample_queries(t)
    fitted = interpolated.fit_to_size(some_t, k, v, settings.rtol, for_gradients=True)
    grad_t, grad_table = triton_read_off.read_off_backward(grad, t, fitted.table, fitted.grid)
    grads = grad_t, *interpolated.backward_to_keys(grad_table, v, fitted)
    triton_exact.attend_backward(_needs_exact(fitted, some_t, settings.rtol), grad, t, fitted.keys, v, *grads)
    return grads


def _needs_exact(fitted: interpolated.Fit, some_t: Tensor, rtol: float) -> Tensor:
    """(P,), where the error may be beyond ``rtol`` or is NaN."""
    error, size = interpolated.estimate_error(fitted, some_t)
    return ~(error <= rtol / 2 * size)
