"""Non-negative matrix factorisation, written as its definition: what the fast form is tested against.

Lee and Seung, Algorithms for Non-negative Matrix Factorization, NIPS 2000, theorem 1: to bring ``factor · otherᵀ``
nearer to the data, every entry of one factor is multiplied by how well the data agree with its partner in the other,
over how well the model does. Softmax at the start and order of the updates are Hamburger's (arXiv 2109.04553).
"""

import torch
from torch import Tensor

EPSILON = 1e-6  # in the denominators, as in the official code


def nmf(x: Tensor, bases: Tensor, steps: int) -> Tensor:
    """Approximate each map by a product of few bases and their coefficients; see the fast form for the arguments."""
    starts = bases.expand(len(x), -1, -1)
    return torch.stack([_approximate(image, start, steps) for image, start in zip(x, starts, strict=True)])


def _approximate(x: Tensor, bases: Tensor, steps: int) -> Tensor:
    """One image: x (D, N), bases (D, R) -> (D, N)."""
    coef = torch.stack([(bases.T @ column).softmax(dim=0) for column in x.T])  # (N, R)
    for _ in range(steps):
        coef = _update(x.T, coef, bases)
        bases = _update(x, bases, coef)
    coef = _update(x.T, coef, bases)
    return bases @ coef.T


def _update(data: Tensor, factor: Tensor, other: Tensor) -> Tensor:
    """One multiplicative update: data (I, J), factor (I, R), other (J, R) -> the new factor (I, R)."""
    model = factor @ other.T
    rows = []
    for i in range(len(factor)):
        row = [
            factor[i, r] * (data[i] @ other[:, r]) / (model[i] @ other[:, r] + EPSILON) for r in range(factor.shape[1])
        ]
        rows.append(torch.stack(row))
    return torch.stack(rows)
