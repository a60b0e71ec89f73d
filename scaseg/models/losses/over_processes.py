"""Means over the batch of all processes, where a loss divides by a number that each process counts for itself."""

import torch
from mmengine.dist import all_reduce
from torch import Tensor


def process_mean(divisor: Tensor) -> Tensor:
    """A divisor's mean over the processes of a distributed training.

    Gradients are averaged over the processes. A loss ``sum / divisor`` of each would weigh the pixels of a process
    with few of them more; ``sum / process_mean(divisor)`` averages to the sum of all over the divisor of all, whatever
    the number of processes. Every process must come here, with an empty share, too. Without gradients, in a
    validation, each process stays with its own, for it may have other images and more of them.

    Args:
        divisor: number of pixels, masks or the like, or several of them.

    Returns:
        Their means in float32; with one process the divisor itself.
    """
    mean = divisor.detach().float().clone()
    if torch.is_grad_enabled():
        all_reduce(mean, op='mean')
    return mean
