"""Non-negative matrix factorisation of feature maps (Hamburger, arXiv 2109.04553; lightweight in SegNeXt, 2209.08575).

A map of N positions and D channels is approximated by R bases, of which each position is a non-negative combination:
a low-rank and therefore global view of the map. The factors come from a fixed number of multiplicative updates, which
gradients flow through, as in SegNeXt's code (the original Hamburger differentiates the last one alone).
"""

import torch
from torch import Tensor

from ..precision import no_autocast
from .naive import EPSILON


def nmf(x: Tensor, bases: Tensor, steps: int) -> Tensor:
    """The approximation ``bases · coefᵀ`` of each map after ``steps`` updates of coefficients and bases.

    Computed in float32 for half precision inputs, also under autocast: products of two maps are summed over all
    positions, which leaves the range of float16 at activations of about 10.

    Args:
        x: (B, D, N), non-negative.
        bases: what the bases start from, (B, D, R), or (1, D, R) for the same in every image; non-negative, of any
            precision.
        steps: updates of coefficients, then bases; a last one of the coefficients follows.

    Returns:
        (B, D, N), non-negative, in the dtype of ``x``.
    """
    dtype = x.dtype
    if dtype in (torch.float16, torch.bfloat16):
        x = x.float()
    bases = bases.to(x.dtype)
    with no_autocast(x.device.type):
        coef = (x.transpose(-2, -1) @ bases).softmax(dim=-1)  # (B, N, R)
        for _ in range(steps):
            coef = _update(x.transpose(-2, -1), coef, bases)
            bases = _update(x, bases, coef)
        coef = _update(x.transpose(-2, -1), coef, bases)
        return (bases @ coef.transpose(-2, -1)).to(dtype)


def _update(data: Tensor, factor: Tensor, other: Tensor) -> Tensor:
    """One multiplicative update of a factor of ``data ≈ factor · otherᵀ``, which is never formed."""
    return factor * (data @ other) / (factor @ (other.transpose(-2, -1) @ other) + EPSILON)
