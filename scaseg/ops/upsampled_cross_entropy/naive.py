"""Cross-entropy at the size of the labels by definition: resize the logits, take the loss."""

import torch.nn.functional as F
from torch import Tensor


def naive_upsampled_cross_entropy(
    logits: Tensor,
    labels: Tensor,
    weight: Tensor | None = None,
    ignore_index: int = 255,
    align_corners: bool = False,
) -> tuple[Tensor, Tensor]:
    """Sum of the cross-entropy over all pixels, and how many of them are right.

    Args:
        logits: (B, K, h, w).
        labels: (B, H, W), in 0 … K - 1 or ``ignore_index``.
        weight: (K,) of the classes; ``None`` is 1.
        ignore_index: label of the pixels that count for neither.
        align_corners: of the bilinear interpolation.

    Returns:
        The sum, a scalar, and the number of pixels whose largest logit is that of their label, an integer scalar.
    """
    resized = F.interpolate(logits, size=labels.shape[-2:], mode='bilinear', align_corners=align_corners)
    loss = F.cross_entropy(resized, labels, weight, ignore_index=ignore_index, reduction='sum')
    return loss, (resized.argmax(dim=1) == labels).sum()
