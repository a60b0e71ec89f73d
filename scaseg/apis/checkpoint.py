"""Checkpoints: reading them, loading them without silence, finding the one to resume from."""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

from mmengine.logging import print_log
from torch import Tensor, nn

from scaseg.errors import UserError
from scaseg.weights import read_checkpoint as read_file
from scaseg.weights.checkpoint_file import is_whole


def read_checkpoint(path: str | Path) -> dict:
    """Read a checkpoint onto the CPU.

    Args:
        path: a file or an address (``https://…``).

    Raises:
        UserError: there is no such file, or it is damaged or no checkpoint.
    """
    checkpoint = read_file(path)
    if not isinstance(checkpoint, dict) or not state_dict_of(checkpoint):
        raise UserError(f'{path}: this file holds no state dict')
    return checkpoint


def state_dict_of(checkpoint: dict) -> dict[str, Tensor]:
    """Tensors of a checkpoint by name, without the prefix of a distributed wrapper."""
    tensors = checkpoint.get('state_dict', checkpoint)
    return {re.sub(r'^module\.', '', name): t for name, t in tensors.items() if isinstance(t, Tensor)}


def load_weights(model: nn.Module, path: str | Path, classes: Sequence[str] | None = None) -> None:
    """Load a trained model for evaluation: every tensor must be there and fit.

    Args:
        model: the segmentor.
        path: the checkpoint.
        classes: names of the classes that the model will be scored on. A model that was trained on others gets a
            warning, where the checkpoint says what it was trained on.

    Raises:
        UserError: the file cannot be read, or lists what is missing, left over or of another shape.
    """
    checkpoint = read_checkpoint(path)
    tensors = state_dict_of(checkpoint)
    mismatch = describe_mismatch(model, tensors)
    if mismatch:
        raise UserError(f'{path} does not fit the model of the config: {mismatch}; use the config it was trained with')
    model.load_state_dict(tensors)
    trained_on = (checkpoint.get('meta') or {}).get('dataset_meta', {}).get('classes')
    if classes and trained_on and list(trained_on) != list(classes):
        message = (
            f'{path} was trained on {_shorten(trained_on)} and is scored on {_shorten(classes)}: these are other '
            'classes, or another order of them'
        )
        print_log(message, logger='current', level=logging.WARNING)


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
    """The checkpoint of a work folder to go on from, ``None`` where the folder holds none.

    That is the one that ``last_checkpoint`` names, or the youngest ``iter_N.pth`` or ``epoch_N.pth``. A damaged one is
    passed over with a warning.

    Raises:
        UserError: there are checkpoints, and all of them are damaged.
    """
    work_dir = Path(work_dir)
    found = [path for path in work_dir.glob('*.pth') if re.fullmatch(r'(iter|epoch)_\d+', path.stem)]
    pointer = work_dir / 'last_checkpoint'
    named = Path(pointer.read_text().strip()).name if pointer.is_file() else ''
    for path in sorted(found, key=lambda path: (path.name == named, path.stat().st_mtime), reverse=True):
        if is_whole(path):
            return path
        print_log(f'{path} is damaged: passed over', logger='current', level=logging.WARNING)
    if found:
        raise UserError(f'{work_dir}: all checkpoints are damaged ({_shorten([path.name for path in found])})')
    return None


def _shorten(names: Sequence[str], limit: int = 3) -> str:
    return ', '.join(names[:limit]) + (', …' if len(names) > limit else '')
