"""Criss-cross attention (CCNet, arXiv 1811.11721), written as its definition: the readable truth for the fast form."""

import torch
from torch import Tensor


def criss_cross(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """One pixel at a time; see the fast form for arguments and result."""
    height, width = v.shape[-2:]
    pixels = []
    for y in range(height):
        for x in range(width):
            others = [i for i in range(height) if i != y]  # the pixel itself stands in its row
            keys, values = (torch.cat([m[:, :, others, x], m[:, :, y]], dim=-1) for m in (k, v))  # (B, ·, H + W - 1)
            weights = torch.einsum('bc,bcp->bp', q[:, :, y, x], keys).softmax(dim=-1)
            pixels.append(torch.einsum('bp,bcp->bc', weights, values))
    return torch.stack(pixels, dim=-1).unflatten(-1, (height, width))
