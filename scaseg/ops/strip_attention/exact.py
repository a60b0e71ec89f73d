"""Strip attention query by query, in blocks of queries: never an N × M tensor, forward or backward.

Blocks are computed in float64. It costs less than twice the time of float32, where large logits lose digits in
proportion to their size.

The error is that of rounding, whatever ``settings`` allow.

Shapes: P problems (batch × heads), N queries t = scale·q, M keys, d channels of the values.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

from .policy import Settings

# of the weights that exist at a time: what caches hold, what fills a GPU
BLOCK_ELEMENTS = {'cpu': 2**17, 'cuda': 2**24}
LEAST_ROWS = 16  # of a block: fewer would leave a matrix product nothing to reuse


def attend(t: Tensor, k: Tensor, v: Tensor, settings: Settings) -> Tensor:
    """(P, N), (P, M), (P, M, d) -> (P, N, d)."""
    out, values = v.new_empty(*t.shape, v.shape[-1]), v.double()
    for some, rows, weights in _weight_blocks(t, k):
        out[some, rows] = (weights @ values[some]).to(out.dtype)
    return out


def attend_backward(
    grad: Tensor, t: Tensor, k: Tensor, v: Tensor, settings: Settings
) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of t, k and v (the latter two float64) from that of the output, (P, N, d)."""
    grad_t, all_keys, all_values = torch.empty_like(t), k.double(), v.double()
    grad_k, grad_v = torch.zeros_like(all_keys), torch.zeros_like(all_values)
    for some, rows, weights in _weight_blocks(t, k):
        keys, values, grad_rows = all_keys[some], all_values[some], grad[some, rows].double()
        grad_v[some] += weights.transpose(-1, -2) @ grad_rows
        grad_weights = grad_rows @ values.transpose(-1, -2)
        grad_logits = weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))
        grad_k[some] += (t[some, rows].double().unsqueeze(-2) @ grad_logits).squeeze(-2)
        from_mean = keys.unsqueeze(-2) - weights @ keys.unsqueeze(-1)  # else far keys would cancel
        grad_t[some, rows] = (grad_logits * from_mean).sum(-1).to(t.dtype)
    return grad_t, grad_k, grad_v


def _weight_blocks(t: Tensor, k: Tensor) -> Iterator[tuple[slice, slice, Tensor]]:
    """Blocks of p problems and n queries, and their weights (p, n, M), float64."""
    at_once = BLOCK_ELEMENTS.get(t.device.type, BLOCK_ELEMENTS['cuda']) // k.shape[-1]
    problems = min(len(t), max(1, at_once // LEAST_ROWS))
    size = max(LEAST_ROWS, at_once // problems)
    queries, keys = t.double().unsqueeze(-1), k.double().unsqueeze(-2)
    for first in range(0, len(t), problems):
        some = slice(first, first + problems)
        for start in range(0, t.shape[-1], size):
            rows = slice(start, start + size)
            yield some, rows, (queries[some, rows] * keys[some]).softmax(dim=-1)
