"""How far a student is from its teacher, in features and in outputs (see ``DistilledEncoderDecoder``)."""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from torch import Tensor


def feature_distance(student: Sequence[Tensor], teacher: Sequence[Tensor]) -> Tensor:
    """``1 - cos`` of the two channel vectors at a position, averaged over positions, then over levels; 0 … 2.

    Args:
        student: (B, C_j, H_j, W_j) for every level.
        teacher: the same shapes.
    """
    similarities = [
        F.cosine_similarity(own.float(), target.float(), dim=1).mean()
        for own, target in zip(student, teacher, strict=True)
    ]
    return 1 - torch.stack(similarities).mean()


def output_divergence(student: Tensor, teacher: Tensor) -> Tensor:
    """Divergence ``Σ_c p_c (log p_c - log q_c)`` of the student's q from the teacher's p, averaged over positions.

    Args:
        student: log q, (B, classes, H, W).
        teacher: log p, the same shape.

    Returns:
        The mean, in nats.
    """
    return F.kl_div(student, teacher, reduction='none', log_target=True).sum(dim=1).mean()


def log_probabilities(output: Tensor, gives_probabilities: bool) -> Tensor:
    """Logarithms of the classes' probabilities at every position, in float32, from what a head gives.

    Args:
        output: (B, classes, H, W): logits or, from a mask classification head, probabilities that do not sum to 1;
            (B, 1, H, W) logits of the second of two classes.
        gives_probabilities: which of the two.
    """
    output = output.float()
    if not gives_probabilities:
        if output.shape[1] == 1:
            output = torch.cat([torch.zeros_like(output), output], dim=1)
        return output.log_softmax(dim=1)
    output = output.clamp(min=torch.finfo(output.dtype).eps)
    return output.log() - output.sum(dim=1, keepdim=True).log()
