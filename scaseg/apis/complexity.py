"""Parameters, multiply-accumulates and operations of a model, counted without computing anything."""

import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch
from mmseg.models import BaseSegmentor
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import FlopCounterMode

# Operators that move numbers without computing any, beside those that torch calls views.
MOVES = {'cat', 'clone', 'constant_pad_nd', 'contiguous', 'copy_', 'flip', 'gather', 'index', 'index_select', 'repeat'}
MOVES |= {'_reshape_alias', '_to_copy', '_unsafe_view', 'detach', 'lift_fresh', 'roll', 'stack'}
MOVES |= {'arange', 'empty', 'empty_like', 'fill_', 'full', 'new_empty', 'new_zeros', 'ones', 'ones_like', 'zeros'}
# What mmengine's and fvcore's counters, which papers quote, add for each element of the input and of the output.
QUOTED = {
    'native_batch_norm': (2, 0),
    '_native_batch_norm_legit_no_training': (2, 0),
    'native_layer_norm': (5, 0),
    'native_group_norm': (5, 0),
    'upsample_bilinear2d': (0, 4),
    'upsample_nearest2d': (0, 1),
}


@dataclass(frozen=True)
class Complexity:
    """Cost of a model for one image.

    Attributes:
        shape: (H, W) of the image in pixels.
        parameters: of the model as it is trained, and of its ``encoder`` and ``head``; auxiliary heads are in the
            model's number alone.
        macs: multiply-accumulates of convolutions and matrix products from the image to the map of its size, attention
            included.
        quoted: what papers call FLOPs: the multiply-accumulates, and for each element of a norm and of an interpolated
            map the few operations that mmengine's and fvcore's counters put down; the last interpolation, to the size
            of the image, is left out, as where these counters see the logits alone.
        flops: operations on floating-point numbers of the same passes: two for each multiply-accumulate, and for every
            other operator that computes (norms, activations, softmax, pooling, interpolation, sums) one for each
            element of its output or of its largest input, whichever is more; copies are free.
        head_macs: multiply-accumulates of the modules that the head is made of; one for each entry of a list, which
            in most heads are the levels. What a head computes outside of its modules is in ``macs['head']`` alone.
    """

    shape: tuple[int, int]
    parameters: dict[str, int]
    macs: dict[str, int]
    quoted: dict[str, int]
    flops: dict[str, int]
    head_macs: dict[str, int]


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
    whole = _count(model.encode_decode, image, [dict(img_shape=shape)], parts=dict(_parts(model.decode_head)))
    encoder = _count(model.extract_feat, image)
    parameters = {'model': model, 'encoder': model.backbone, 'head': model.decode_head}
    return Complexity(
        shape,
        {part: sum(p.numel() for p in module.parameters()) for part, module in parameters.items()},
        {'model': whole.macs, 'encoder': encoder.macs, 'head': whole.macs - encoder.macs},
        {'model': whole.quoted, 'encoder': encoder.quoted, 'head': whole.quoted - encoder.quoted},
        {'model': whole.flops, 'encoder': encoder.flops, 'head': whole.flops - encoder.flops},
        whole.of_parts,
    )


@dataclass(frozen=True)
class _Counts:
    macs: int
    quoted: int
    flops: int
    of_parts: dict[str, int]


class _Elements(TorchDispatchMode):
    """Counts the elements that operators work on which are no products."""

    def __init__(self, products: FlopCounterMode, image_size: torch.Size) -> None:
        super().__init__()
        self.products = products
        self.image_size = image_size
        self.total = 0
        self.quoted = 0

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        before = self.products.get_total_flops()
        out = func(*args, **(kwargs or {}))
        name = func.overloadpacket.__name__
        if name in QUOTED:
            per_input, per_output = QUOTED[name]
            self.quoted += per_input * args[0].numel()
            if per_output and out.shape[-2:] != self.image_size:
                self.quoted += per_output * out.numel()
        if self.products.get_total_flops() == before and not func.is_view and name not in MOVES:
            tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, Tensor) and x.is_floating_point()]
            self.total += max((x.numel() for x in tensors), default=0)
        return out


def _count(function: Callable, image: Tensor, *args: Any, parts: dict[str, nn.Module] | None = None) -> _Counts:
    of_parts: dict[str, int] = {}
    handles = []
    # Gradients stay enabled: nn.MultiheadAttention then takes its ordinary path, whose products can be counted.
    with FlopCounterMode(display=False) as products, _Elements(products, image.shape[-2:]) as elements:

        def add(name: str, sign: int, *_: Any) -> None:
            of_parts[name] = of_parts.get(name, 0) + sign * products.get_total_flops() // 2

        for name, module in (parts or {}).items():
            handles.append(module.register_forward_pre_hook(functools.partial(add, name, -1)))
            handles.append(module.register_forward_hook(functools.partial(add, name, 1)))
        function(image, *args)
    for handle in handles:
        handle.remove()
    total = products.get_total_flops()  # torch counts a multiply-accumulate as two operations
    of_parts = {name: macs for name, macs in of_parts.items() if macs}
    return _Counts(total // 2, total // 2 + elements.quoted, total + elements.total, of_parts)


def _parts(head: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in head.named_children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from ((f'{name}.{entry}', module) for entry, module in child.named_children())
        else:
            yield name, child
