"""Criss-cross attention (CCNet, arXiv 1811.11721, eq. 1 and 2): every pixel looks along its column and its row.

The authors' code needs a compiled CUDA kernel. This is plain PyTorch in O(N·(H + W)) memory for N = H·W pixels. It
lays maps out as (H, B, W, C): rows and columns of pixels are then both batches of matrices as they lie in memory, and
no matrix product has to copy an operand. Maps in ``channels_last`` format come to this layout by copying whole rows, a
single one by copying nothing.
"""

import torch
from torch import Tensor

from ..precision import no_autocast


def criss_cross(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Softmax attention of each pixel over the H + W − 1 pixels of its column and row, itself counted once.

    Logits are not scaled, as in the paper. They and their softmax are computed in float32 for half precision inputs,
    also under autocast.

    Args:
        q: queries (B, D, H, W).
        k: keys (B, D, H, W).
        v: values (B, C, H, W).

    Returns:
        (B, C, H, W), in the dtype of ``v``: at each pixel a convex combination of the values on its criss-cross path.
    """
    batch, _, height, width = v.shape
    exact = torch.promote_types(q.dtype, torch.float32)
    with no_autocast(v.device.type):
        weights = _weights(_lay_out(q.to(exact)), _lay_out(k.to(exact))).to(v.dtype)
        to_column, to_row = weights.split([height, width], dim=-1)
        v = _lay_out(v)
        out = torch.bmm(_rows(to_row), _rows(v)).view(v.shape)
        out = torch.baddbmm(_columns(out), _columns(to_column), _columns(v))
    return out.unflatten(0, (batch, width)).permute(0, 3, 2, 1)


def _weights(q: Tensor, k: Tensor) -> Tensor:
    """Of queries and keys (H, B, W, D) the weights (H, B, W, H + W): of each pixel to its column, then to its row."""
    height, batch, width, _ = q.shape
    itself = (1 - torch.eye(height, dtype=q.dtype, device=q.device)).log()  # -inf: it counts in its row alone
    columns = torch.baddbmm(itself, _columns(q), _columns(k).transpose(1, 2))  # (B·W, H, H)
    rows = torch.bmm(_rows(q), _rows(k).transpose(1, 2))  # (H·B, W, W)
    logits = torch.cat([columns.transpose(0, 1), rows.view(height, batch * width, width)], dim=-1)
    del columns, rows  # beside logits and weights they would make the peak higher
    return logits.softmax(dim=-1).unflatten(1, (batch, width))


def _lay_out(x: Tensor) -> Tensor:
    """(B, C, H, W) -> (H, B, W, C)."""
    return x.permute(2, 0, 3, 1).contiguous()


def _rows(x: Tensor) -> Tensor:
    """(H, B, W, ·) -> (H·B, W, ·), a view."""
    return x.flatten(0, 1)


def _columns(x: Tensor) -> Tensor:
    """(H, B, W, ·) -> (B·W, H, ·), a view."""
    return x.flatten(1, 2).transpose(0, 1)
