"""Load pretrained weights into an encoder, and refuse when they do not fit it."""

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from mmengine.logging import print_log
from torch import nn

from ..errors import UserError
from .checkpoint_file import read_checkpoint
from .fit import unusable
from .layouts import StateDict, to_encoder_layout
from .stem import adapt_stem
from .store import find_weights
from .timm_hub import PREFIX, read_timm_weights

REQUIRED_SHARE = 0.95  # of the encoder's tensors


@dataclass(frozen=True)
class LoadReport:
    """What became of the tensors; batch norm's step counters (``num_batches_tracked``) are loaded but not counted.

    Attributes:
        name: the name or path that was asked for.
        source: the file or the timm model that the tensors come from.
        matched: tensors of the encoder that the file fills.
        total: tensors of the encoder.
        missing: those that the file lacks.
        wrong_shape: those that the file has in another shape.
        unusable: those that are not finite, or whole numbers in the place of others.
        unexpected: tensors of the file without a place in the encoder, such as the classifier.
    """

    name: str
    source: str | Path
    matched: int
    total: int
    missing: tuple[str, ...]
    wrong_shape: tuple[str, ...]
    unusable: tuple[str, ...]
    unexpected: tuple[str, ...]

    @property
    def faults(self) -> str:
        """What does not match, as the end of a sentence; empty where everything does."""
        groups = {
            'missing in the file': self.missing,
            'wrong shape': self.wrong_shape,
            'not usable': self.unusable,
            'left over in the file': self.unexpected,
        }
        return '; '.join(f'{group}: {_shorten(names)}' for group, names in groups.items() if names)

    def __str__(self) -> str:
        summary = f'pretrained {self.name}: {self.matched} of {self.total} tensors from {self.source}'
        return '; '.join(filter(None, [summary, self.faults]))


def load_pretrained(encoder: nn.Module, name_or_path: str) -> LoadReport:
    """Fill an encoder with weights from the table or from a file, whatever known layout the file has.

    Args:
        encoder: the bare encoder, initialised; a timm encoder as ``features_only=True`` builds it.
        name_or_path: a name of ``table.TABLE``, ``timm/`` and the name of a timm model (``timm_hub``), or the path of
            a .pth or .safetensors file.

    Returns:
        What matched; it is logged in one line as well.

    Raises:
        UserError: no file was found, it cannot be read, or fewer than 95 % of the encoder's tensors match. The encoder
            is then as it was.
    """
    own = encoder.state_dict()
    source: str | Path
    if name_or_path.startswith(PREFIX):
        source, content = read_timm_weights(name_or_path)
    else:
        source = find_weights(name_or_path)
        content = read_checkpoint(source)
    try:
        tensors = to_encoder_layout(content, own)
    except UserError as error:
        raise UserError(f'pretrained {name_or_path}: {source} does not fit: {error}') from error
    tensors, adapted = adapt_stem(tensors, own)
    report = compare(name_or_path, source, own, tensors)
    if report.matched < REQUIRED_SHARE * report.total:
        raise UserError(
            f'{report}. At least {REQUIRED_SHARE:.0%} of the tensors of {type(encoder).__name__} must match: check '
            'that the encoder in the config is the one these weights belong to, or set pretrained=None to train from '
            'scratch'
        )
    if report.unusable:
        raise UserError(f'{report}. These weights cannot be used: fetch the file again, or take another one')
    fitting = {key: tensor for key, tensor in tensors.items() if key in own and tensor.shape == own[key].shape}
    encoder.load_state_dict(fitting, strict=False)
    for key in adapted:
        print_log(f'pretrained {name_or_path}: {key} adapted from 3 colours to {own[key].shape[1]} bands', 'current')
    print_log(str(report), logger='current', level=logging.INFO if report.matched == report.total else logging.WARNING)
    return report


def compare(name: str, source: str | Path, own: StateDict, tensors: StateDict) -> LoadReport:
    """Match the tensors of a file, already under the model's names, with the model's ``state_dict()``."""
    counted, offered = ([key for key in keys if not key.endswith('num_batches_tracked')] for keys in (own, tensors))
    wrong_shape = [key for key in counted if key in tensors and tensors[key].shape != own[key].shape]
    missing = tuple(key for key in counted if key not in tensors)
    return LoadReport(
        name=name,
        source=source,
        matched=len(counted) - len(missing) - len(wrong_shape),
        total=len(counted),
        missing=missing,
        wrong_shape=tuple(f'{key} {tuple(tensors[key].shape)} for {tuple(own[key].shape)}' for key in wrong_shape),
        unusable=tuple(unusable(own, tensors)),
        unexpected=tuple(key for key in offered if key not in own),
    )


def _shorten(names: Sequence[str], shown: int = 4) -> str:
    rest = len(names) - shown
    return ', '.join(names[:shown]) + (f' and {rest} more' if rest > 0 else '')
