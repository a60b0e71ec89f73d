"""Parameters and multiply-accumulates of a model, counted without computing anything."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from mmseg.models import BaseSegmentor
from torch.utils.flop_counter import FlopCounterMode


@dataclass(frozen=True)
class Complexity:
    """Cost of a model for one image.

    Attributes:
        shape: (H, W) of the image in pixels.
        parameters: of the model as it is trained, and of its ``encoder`` and ``head``; auxiliary heads are in the
            model's number alone.
        macs: multiply-accumulates of convolutions and matrix products from the image to the map of its size, attention
            included: what papers call FLOPs.
    """

    shape: tuple[int, int]
    parameters: dict[str, int]
    macs: dict[str, int]


def count_complexity(model: BaseSegmentor, shape: tuple[int, int], in_channels: int = 3) -> Complexity:
    """Count a segmentor from image to map. It is moved to the ``meta`` device and is of no use afterwards.

    torch's counter sees every matrix product whichever kernel would run it, those inside
    ``scaled_dot_product_attention`` too, for which mmengine's counter reports nothing.

    Args:
        model: a segmentor.
        shape: (H, W) of the image.
        in_channels: channels of the image.
    """
    model = model.to('meta').eval()
    image = torch.empty(1, in_channels, *shape, device='meta')
    whole = _count_macs(model.encode_decode, image, [dict(img_shape=shape)])
    encoder = _count_macs(model.extract_feat, image)
    parameters = {'model': model, 'encoder': model.backbone, 'head': model.decode_head}
    return Complexity(
        shape,
        {part: sum(p.numel() for p in module.parameters()) for part, module in parameters.items()},
        {'model': whole, 'encoder': encoder, 'head': whole - encoder},
    )


def _count_macs(function: Callable, *args: Any, **kwargs: Any) -> int:
    # Gradients stay enabled: nn.MultiheadAttention then takes its ordinary path, whose products can be counted.
    with FlopCounterMode(display=False) as counter:
        function(*args, **kwargs)
    return counter.get_total_flops() // 2  # torch counts a multiply-accumulate as two operations
