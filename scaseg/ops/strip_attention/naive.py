"""Strip attention, written as its definition: the readable truth that faster forms are tested against.

SCASeg (arXiv 2411.17061) compresses the channels of queries and keys into one dimension [P]; values keep theirs. With
several heads this means one channel per head, as in MetaSeg (arXiv 2408.07576) [I].
"""

from torch import Tensor


def naive_strip_attention(q: Tensor, k: Tensor, v: Tensor, scale: float = 1.0) -> Tensor:
    """``out_i = Σ_j softmax_j(scale·q_i·k_j) v_j``, through the (B, h, N, M) matrix of weights.

    Args:
        q: queries (B, h, N), one real number per head and token.
        k: keys (B, h, M).
        v: values (B, h, M, d).
        scale: factor on the logits.

    Returns:
        (B, h, N, d): for every query a convex combination of its head's values.
    """
    logits = (scale * q).unsqueeze(-1) @ k.unsqueeze(-2)  # (B, h, N, M), an outer product per head
    return logits.softmax(dim=-1) @ v
