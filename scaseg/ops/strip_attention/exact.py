"""Strip attention query by query, in blocks of queries: never an N × M tensor, forward or backward.

Blocks are computed in float64. It costs less than twice the time of float32, where large logits lose digits in
proportion to their size.

Shapes: P problems (batch × heads), N queries t = scale·q, M keys, d channels of the values.
"""

from collections.abc import Iterator

import torch
from torch import Tensor

BLOCK_ELEMENTS = {
    'cpu': 2**17,
    'cuda': 2**24,
}  # of the weights that exist at a time: what caches hold, what fills a GPU


def attend(t: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(P, N), (P, M), (P, M, d) -> (P, N, d)."""
    out, values = v.new_empty(*t.shape, v.shape[-1]), v.double()
    for rows, weights in _weight_blocks(t, k):
        out[:, rows] = (weights @ values).to(out.dtype)
    return out


def attend_backward(grad: Tensor, t: Tensor, k: Tensor, v: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Gradients of t, k and v (the latter two float64) from that of the output, (P, N, d)."""
    grad_t, keys, values = torch.empty_like(t), k.double(), v.double()
    grad_k, grad_v = torch.zeros_like(keys), torch.zeros_like(values)
    for rows, weights in _weight_blocks(t, k):
        grad_rows = grad[:, rows].double()
        grad_v += weights.transpose(-1, -2) @ grad_rows
        grad_weights = grad_rows @ values.transpose(-1, -2)
        grad_logits = weights * (grad_weights - (weights * grad_weights).sum(-1, keepdim=True))
        grad_k += (t[:, rows].double().unsqueeze(-2) @ grad_logits).squeeze(-2)
        from_mean = keys.unsqueeze(-2) - weights @ keys.unsqueeze(-1)  # else far keys would cancel
        grad_t[:, rows] = (grad_logits * from_mean).sum(-1).to(t.dtype)
    return grad_t, grad_k, grad_v


def _weight_blocks(t: Tensor, k: Tensor) -> Iterator[tuple[slice, Tensor]]:
    """Blocks of n queries and their weights (P, n, M), float64."""
    size = max(16, BLOCK_ELEMENTS.get(t.device.type, BLOCK_ELEMENTS['cuda']) // k.numel())
    queries, keys = t.double().unsqueeze(-1), k.double().unsqueeze(-2)
    for start in range(0, t.shape[-1], size):
        rows = slice(start, start + size)
        yield rows, (queries[:, rows] * keys).softmax(dim=-1)
