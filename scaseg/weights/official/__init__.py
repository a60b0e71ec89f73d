"""Checkpoints of whole segmentors as the authors of a method publish them, turned into ours.

Each module holds one pure function, from the names of an official state dict to those of our segmentor
(``backbone.*``, ``decode_head.*``, ``auxiliary_head.*``). What official code never uses it drops by name; a name that
it does not know it passes on as it is, so that the comparison below finds it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

from torch import Tensor, nn

from ...errors import UserError
from ..checkpoint_file import read_checkpoint
from ..layouts import unwrap
from ..load import compare
from .ccnet import convert_ccnet
from .seaformer import convert_seaformer
from .segformer import convert_segformer
from .segnext import convert_segnext
from .segvit import convert_segvit

__all__ = [
    'CONVERTERS',
    'Converter',
    'convert_ccnet',
    'convert_official',
    'convert_seaformer',
    'convert_segformer',
    'convert_segnext',
    'convert_segvit',
]

Converter = Callable[[Mapping[str, Tensor]], dict[str, Tensor]]

# Class of our decode head -> conversion of the official segmentors with that head.
CONVERTERS: dict[str, Converter] = {
    'ATMHead': convert_segvit,
    'HamburgerHead': convert_segnext,
    'LightFusionHead': convert_seaformer,
    'RCCAHead': convert_ccnet,
    'SegFormerMLPHead': convert_segformer,
    'ShrunkATMHead': convert_segvit,
}

# Ends of the names of buffers that official files may lack. Ours keep the values they are built with.
OUR_OWN = ('.num_batches_tracked', '.hamburger.bases')


def convert_official(model: nn.Module, path: Path) -> dict[str, Tensor]:
    """The state dict of ``model`` with the weights of an official checkpoint.

    Args:
        model: our segmentor; it stays as it is.
        path: an official file of the same method and size, in any of the usual containers.

    Returns:
        Every tensor of ``model.state_dict()``, in its order.

    Raises:
        UserError: the file cannot be read, or one of the model's tensors is missing in it, has another shape, or
            something in it has no place in the model; or no official checkpoints are known for the model's head.
    """
    head = type(model.decode_head).__name__
    if head not in CONVERTERS:
        known = ', '.join(CONVERTERS)
        raise UserError(f'no official checkpoints are known for {head}; there are conversions for {known}')
    if not path.is_file():
        raise UserError(f'{path}: no such checkpoint')
    content = read_checkpoint(path)
    try:
        tensors = unwrap(content)
        converted = CONVERTERS[head]({name.removeprefix('module.'): tensor for name, tensor in tensors.items()})
    except UserError as error:
        raise UserError(f'{path}: {error}') from error
    except KeyError as error:  # of two tensors that become one, the second is not there
        raise UserError(f'{path} does not fit {head}: missing in the file: {error.args[0]}') from error
    own = model.state_dict()
    complete = {name: tensor for name, tensor in own.items() if name.endswith(OUR_OWN)} | converted
    report = compare(head, path, own, complete)
    if report.faults:
        raise UserError(
            f'{path} does not fit the model of the config: {report.faults}; take the config of the same method, size '
            'and number of classes'
        )
    return {name: complete[name] for name in own}
