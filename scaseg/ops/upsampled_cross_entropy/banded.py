"""Cross-entropy at the size of the labels, a band of rows at a time, without ever forming the K×H×W logits.

A loss is a sum over pixels, so its gradient is known as soon as a band is: the forward pass computes both, adds the
gradient up at the resolution of the logits, and forgets the band. The backward pass is one multiplication.
"""

from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import no_autocast
from ..row_bands import resize_band, row_bands, rows_at_once


def upsampled_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = 255,
    align_corners: bool = False,
) -> tuple[Tensor, Tensor]:
    """``naive_upsampled_cross_entropy`` in the memory of the logits and one band; in float32 at least.

    There is no second derivative. torch.compile breaks its graph here.
    """
    return _BandedCrossEntropy.apply(logits, labels, weight, ignore_index, align_corners)


class _BandedCrossEntropy(torch.autograd.Function):
    @staticmethod
    @torch.compiler.disable
    def forward(
        ctx: Any, logits: Tensor, labels: Tensor, weight: Tensor | None, ignore_index: int, align_corners: bool
    ) -> tuple[Tensor, Tensor]:
        needs_grad = ctx.needs_input_grad[0]
        x = logits.detach().to(torch.promote_types(logits.dtype, torch.float32))
        weight = None if weight is None else weight.to(x.dtype)
        grad = torch.zeros_like(x) if needs_grad else None
        losses, right = [], []
        height, (out_height, width) = x.shape[-2], labels.shape[-2:]
        at_once = rows_at_once(x.shape[1] * width, x.device)
        with no_autocast(x.device.type), torch.set_grad_enabled(needs_grad):
            for band in row_bands(height, out_height, at_once, x.device, align_corners):
                for image, label in enumerate(labels[:, band.rows]):
                    source = x[image : image + 1, :, band.source].requires_grad_(needs_grad)
                    scores = resize_band(source, band, width, align_corners)
                    loss = F.cross_entropy(scores, label[None], weight, ignore_index=ignore_index, reduction='sum')
                    if grad is not None:
                        grad[image : image + 1, :, band.source] += torch.autograd.grad(loss, source)[0]
                    losses.append(loss.detach())
                    right.append((scores.detach().argmax(dim=1) == label).sum())
        if grad is not None:
            ctx.save_for_backward(grad)
            ctx.dtype = logits.dtype
        correct = torch.stack(right).sum()
        ctx.mark_non_differentiable(correct)
        return torch.stack(losses).sum(), correct

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, grad_loss: Tensor, _: Tensor) -> tuple[Tensor, None, None, None, None]:
        (grad,) = ctx.saved_tensors
        return (grad * grad_loss).to(ctx.dtype), None, None, None, None
