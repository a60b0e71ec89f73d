"""Strip attention by torch's fused attention: queries and keys padded with zeros to the channels of the values.

Fused kernels want as many channels in queries and keys as in values, so the work is d times that of the strip, in
O(N·M); no N × M matrix is kept. The error is that of float32 logits, which grows with them, and is bound by no rtol.

Shapes: P problems (batch × heads), N queries t = scale·q, M keys, d channels of the values.
"""

import torch.nn.functional as F
from torch import Tensor

ALIGNMENT = 8  # channels of a fused kernel are a multiple of


def attend(t: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """(P, N), (P, M), (P, M, d) -> (P, N, d); torch differentiates it."""
    channels = v.shape[-1]
    width = -(-channels // ALIGNMENT) * ALIGNMENT
    q, keys = (F.pad(x.unsqueeze(-1), (0, width - 1)).unsqueeze(0) for x in (t, k))
    values = F.pad(v, (0, width - channels)).unsqueeze(0)
    return F.scaled_dot_product_attention(q, keys, values, scale=1.0)[0, ..., :channels].contiguous()
