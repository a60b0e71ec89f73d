"""Parameters, multiply-accumulates and operations of a model, counted without computing anything."""

import contextlib
import functools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from mmseg.models import BaseSegmentor
from torch import Tensor, nn
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves
from torch.utils.flop_counter import flop_registry

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

    Every matrix product is seen whichever kernel would run it, those inside ``scaled_dot_product_attention`` too, for
    which mmengine's counter reports nothing.

    Args:
        model: a segmentor.
        shape: (H, W) of the image.
        in_channels: channels of the image.
    """
    model = model.to('meta').eval()
    image = torch.empty(1, in_channels, *shape, device='meta')
    # Gradients stay enabled: nn.MultiheadAttention then takes its ordinary path, whose products can be counted.
    with _Counter(image.shape[-2:]) as counter:
        features = model.extract_feat(image)
        encoder = counter.counts()
        with _counted_parts(model.decode_head, counter) as head_macs:
            model.decode_head.predict(features, [dict(img_shape=shape)], model.test_cfg)
        whole = counter.counts()
    parameters = {'model': model, 'encoder': model.backbone, 'head': model.decode_head}
    macs, quoted, flops = (
        {'model': total, 'encoder': part, 'head': total - part} for total, part in zip(whole, encoder, strict=True)
    )
    return Complexity(
        shape,
        {part: sum(p.numel() for p in module.parameters()) for part, module in parameters.items()},
        macs,
        quoted,
        flops,
        {name: macs for name, macs in head_macs.items() if macs},
    )


class _Counts(NamedTuple):
    macs: int
    quoted: int
    flops: int


class _Counter(TorchDispatchMode):
    """Adds up what the operators cost that run under it.

    torch's own ``FlopCounterMode`` has the formulas of matrix products, but follows modules through the backward pass
    as well, at several times the cost of the forward pass.
    """

    def __init__(self, image_size: torch.Size) -> None:
        super().__init__()
        self.image_size = image_size
        self.macs = 0
        self.quoted_elements = 0
        self.elements = 0

    def counts(self) -> _Counts:
        return _Counts(self.macs, self.macs + self.quoted_elements, 2 * self.macs + self.elements)

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        kwargs = kwargs or {}
        out = func(*args, **kwargs)
        packet = func.overloadpacket
        if packet in flop_registry:
            self.macs += flop_registry[packet](*args, **kwargs, out_val=out) // 2  # torch counts one as two operations
        elif not func.is_view and packet.__name__ not in MOVES:
            tensors = [x for x in tree_leaves((args, kwargs, out)) if isinstance(x, Tensor) and x.is_floating_point()]
            self.elements += max((x.numel() for x in tensors), default=0)
        if packet.__name__ in QUOTED:
            per_input, per_output = QUOTED[packet.__name__]
            self.quoted_elements += per_input * args[0].numel()
            if per_output and out.shape[-2:] != self.image_size:
                self.quoted_elements += per_output * out.numel()
        return out


@contextlib.contextmanager
def _counted_parts(head: nn.Module, counter: _Counter) -> Iterator[dict[str, int]]:
    """Multiply-accumulates of the parts of a head by name, filled in while it runs."""
    macs: dict[str, int] = {}

    def add(name: str, sign: int, *_: Any) -> None:
        macs[name] = macs.get(name, 0) + sign * counter.macs

    with contextlib.ExitStack() as handles:
        for name, module in _parts(head):
            handles.enter_context(module.register_forward_pre_hook(functools.partial(add, name, -1)))
            handles.enter_context(module.register_forward_hook(functools.partial(add, name, 1)))
        yield macs


def _parts(head: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    for name, child in head.named_children():
        if isinstance(child, nn.ModuleList | nn.Sequential):
            yield from ((f'{name}.{entry}', module) for entry, module in child.named_children())
        else:
            yield name, child
