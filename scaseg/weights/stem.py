"""Weights trained on three colours, for encoders of any number of bands."""

import torch
from timm.models import adapt_input_conv

from .layouts import StateDict

COLOURS = 3


def adapt_stem(tensors: StateDict, own: StateDict) -> tuple[dict[str, torch.Tensor], list[str]]:
    """Give convolutions of the image's colours as many input channels as an encoder has bands, as timm does it.

    For one band the weights of the colours are summed; for more they are repeated and scaled by 3 / bands, so that
    the answer to bands that are all alike is that to a gray image.

    Args:
        tensors: weights of a file, under the names of the encoder.
        own: ``state_dict`` of the encoder.

    Returns:
        The tensors, and the names of those that were adapted.
    """
    adapted = {}
    for key, tensor in tensors.items():
        target = own.get(key)
        if target is not None and _is_stem(tensor, target):
            adapted[key] = adapt_input_conv(target.shape[1], tensor)
    return {**tensors, **adapted}, sorted(adapted)


def _is_stem(tensor: torch.Tensor, target: torch.Tensor) -> bool:
    """Whether two weights of a convolution differ in nothing but the bands of the image."""
    return (
        tensor.ndim == target.ndim == 4
        and tensor.shape[1] == COLOURS != target.shape[1]
        and tensor.shape[:1] + tensor.shape[2:] == target.shape[:1] + target.shape[2:]
    )
