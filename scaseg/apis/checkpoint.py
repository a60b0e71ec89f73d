"""Checkpoints: reading them, loading them without silence, finding the one to resume from."""

import re
import zipfile
from pathlib import Path

from mmengine.logging import print_log
from mmengine.runner import CheckpointLoader
from torch import Tensor, nn

from scaseg.errors import UserError


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint onto the CPU.

    Args:
        path: a file, or any address that mmengine loads from (``https://…``).

    Raises:
        UserError: there is no such file, or it is damaged or no checkpoint.
    """
    file = Path(path)
    if '://' not in str(path) and not file.is_file():
        others = sorted(str(other) for other in file.parent.glob('*.pth')) if file.parent.is_dir() else []
        hint = f'; {file.parent} holds {", ".join(others)}' if others else ''
        raise UserError(f'{path}: no such checkpoint{hint}')
    try:
        checkpoint = CheckpointLoader.load_checkpoint(str(path), map_location='cpu')
    except Exception as error:  # whatever unpickling a foreign file may raise
        raise UserError(
            f'{path}: this file cannot be read as a checkpoint, it is damaged or something else '
            f'({type(error).__name__}); take another one, or copy it again'
        ) from error
    if not isinstance(checkpoint, dict) or not state_dict_of(checkpoint):
        raise UserError(f'{path}: this file holds no state dict')
    return checkpoint


def state_dict_of(checkpoint: dict) -> dict[str, Tensor]:
    """Tensors of a checkpoint by name, without the prefix of a distributed wrapper."""
    tensors = checkpoint.get('state_dict', checkpoint)
    return {re.sub(r'^module\.', '', name): t for name, t in tensors.items() if isinstance(t, Tensor)}


def load_weights(model: nn.Module, path: str | Path) -> None:
    """Load a trained model for evaluation: every tensor must be there and fit.

    Raises:
        UserError: the file cannot be read, or lists what is missing, left over or of another shape.
    """
    tensors = state_dict_of(read_checkpoint(path))
    mismatch = describe_mismatch(model, tensors)
    if mismatch:
        raise UserError(f'{path} does not fit the model of the config: {mismatch}; use the config it was trained with')
    model.load_state_dict(tensors)


def report_initialisation(model: nn.Module, path: str | Path) -> None:
    """Say in one line how much of ``load_from`` fits the model that training starts with.

    Raises:
        UserError: the file cannot be read, or nothing in it fits.
    """
    tensors, own = state_dict_of(read_checkpoint(path)), model.state_dict()
    fitting = sum(name in own and own[name].shape == tensor.shape for name, tensor in tensors.items())
    mismatch = describe_mismatch(model, tensors)
    if not fitting:
        raise UserError(f'load_from={path}: nothing in this file fits the model: {mismatch}')
    message = f'load_from {path}: {fitting} of {len(own)} tensors' + (f'; not loaded: {mismatch}' if mismatch else '')
    print_log(message, logger='current')


def check_resumable(model: nn.Module, path: str | Path) -> None:
    """Check that a training can go on from a checkpoint.

    Raises:
        UserError: the file cannot be read, holds weights alone, or is of another model.
    """
    checkpoint = read_checkpoint(path)
    if not {'meta', 'optimizer', 'param_schedulers', 'message_hub'} <= set(checkpoint):
        raise UserError(
            f'{path} cannot be resumed, it holds weights alone (best_*.pth do): take an iter_*.pth, or start from its '
            'weights with --cfg-options load_from=...'
        )
    mismatch = describe_mismatch(model, state_dict_of(checkpoint))
    if mismatch:
        raise UserError(f'{path} cannot be resumed with this model: {mismatch}; resume with the config it was made by')


def describe_mismatch(model: nn.Module, tensors: dict[str, Tensor]) -> str:
    """What keeps ``tensors`` from being the state of ``model``; empty where nothing does."""
    own = model.state_dict()
    faults = {
        'missing': [name for name in own if name not in tensors],
        'not in the model': [name for name in tensors if name not in own],
        'of another shape': [
            f'{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}'
            for name, tensor in tensors.items()
            if name in own and own[name].shape != tensor.shape
        ],
    }
    return '; '.join(f'{len(names)} {fault} ({_shorten(names)})' for fault, names in faults.items() if names)


def find_resumable(work_dir: str | Path) -> Path | None:
    """The latest whole ``iter_N.pth`` or ``epoch_N.pth`` in a work folder, ``None`` where there is none.

    A file that was cut off is passed over: it lacks the directory that stands at the end of a zip file.
    """
    found = [
        (int(match[1]), path)
        for path in Path(work_dir).glob('*.pth')
        if (match := re.fullmatch(r'(?:iter|epoch)_(\d+)\.pth', path.name))
    ]
    return next((path for _, path in sorted(found, reverse=True) if zipfile.is_zipfile(path)), None)


def _shorten(names: list[str], limit: int = 3) -> str:
    return ', '.join(names[:limit]) + (', …' if len(names) > limit else '')
