"""Cross-entropy at the size of the labels, a band of rows at a time, without ever forming the K×H×W logits.

A loss is a sum over pixels, so its gradient is known as soon as a band is: the forward pass computes both, adds the
gradient up at the resolution of the logits, and forgets the band. The backward pass is one multiplication.
"""

from collections.abc import Iterator
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from ..precision import no_autocast

BAND = {'cpu': 2**20, 'cuda': 2**25}  # elements of a band: what caches hold, and what fills a GPU


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
        rows = max(1, BAND.get(x.device.type, BAND['cuda']) // (x.shape[1] * labels.shape[-1]))
        with no_autocast(x.device.type), torch.set_grad_enabled(needs_grad):
            for lower, upper, share, first, last in _bands(x.shape[-2], labels.shape[-2], rows, align_corners):
                part = slice(lower[0], upper[-1] + 1)
                steps = tuple(torch.tensor(index, device=x.device) - lower[0] for index in (lower, upper))
                mixture = torch.tensor(share, dtype=x.dtype, device=x.device).unsqueeze(-1)
                for image, label in enumerate(labels[:, first:last]):
                    source = x[image : image + 1, :, part].requires_grad_(needs_grad)
                    band = source
                    if x.shape[-2:] != labels.shape[-2:]:
                        band = _resize(source, steps, mixture, labels.shape[-1], align_corners)
                    loss = F.cross_entropy(band, label[None], weight, ignore_index=ignore_index, reduction='sum')
                    if grad is not None:
                        grad[image : image + 1, :, part] += torch.autograd.grad(loss, source)[0]
                    losses.append(loss.detach())
                    right.append((band.detach().argmax(dim=1) == label).sum())
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


def _resize(x: Tensor, steps: tuple[Tensor, ...], share: Tensor, width: int, align_corners: bool) -> Tensor:
    """Columns by torch, whose rows stay as they are; then every row between its two."""
    wide = F.interpolate(x, size=(x.shape[-2], width), mode='bilinear', align_corners=align_corners)
    lower, upper = (wide.index_select(2, step) for step in steps)
    return torch.lerp(lower, upper, share)


def _bands(
    height: int, out_height: int, rows: int, align_corners: bool
) -> Iterator[tuple[list[int], list[int], list[float], int, int]]:
    """For every band of output rows: input rows before and after each, share of the latter, first row, end."""
    out = torch.arange(out_height, dtype=torch.float64)
    if align_corners:
        source = out * ((height - 1) / max(out_height - 1, 1))
    else:
        source = ((out + 0.5) * (height / out_height) - 0.5).clamp(min=0)
    lower = source.floor().long().clamp(max=height - 1)
    upper = source.ceil().long().clamp(max=height - 1)
    for first in range(0, out_height, rows):
        band = slice(first, first + rows)
        yield lower[band].tolist(), upper[band].tolist(), (source - lower)[band].tolist(), first, first + rows
