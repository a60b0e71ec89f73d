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
from scaseg.weights.fit import describe_mismatch, describe_other_classes, shorten, unusable


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
    if not isinstance(tensors, dict):
        return {}
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
    _tell_other_classes(checkpoint, path, classes)


def report_initialisation(model: nn.Module, path: str | Path, classes: Sequence[str] | None = None) -> None:
    """Say in one line how much of ``load_from`` fits the model that training starts with.

    Raises:
        UserError: the file cannot be read, nothing in it fits, or what fits is not finite or no floating-point number.
    """
    checkpoint = read_checkpoint(path)
    tensors, own = state_dict_of(checkpoint), model.state_dict()
    if bad := unusable(own, tensors):
        raise UserError(f'load_from={path}: these weights cannot be used: {shorten(bad)}; take another checkpoint')
    fitting = sum(name in own and own[name].shape == tensor.shape for name, tensor in tensors.items())
    mismatch = describe_mismatch(model, tensors)
    if not fitting:
        raise UserError(f'load_from={path}: nothing in this file fits the model: {mismatch}')
    message = f'load_from {path}: {fitting} of {len(own)} tensors' + (f'; not loaded: {mismatch}' if mismatch else '')
    print_log(message, logger='current')
    _tell_other_classes(checkpoint, path, classes)


def _tell_other_classes(checkpoint: dict, path: str | Path, classes: Sequence[str] | None) -> None:
    meta = checkpoint.get('meta')
    trained_on = (meta.get('dataset_meta') or {}).get('classes') if isinstance(meta, dict) else None
    if other := describe_other_classes(trained_on, classes):
        print_log(f'{path} {other}', logger='current', level=logging.WARNING)


def find_resumable(work_dir: str | Path) -> Path | None:
    """The checkpoint of a work folder to go on from, ``None`` where the folder holds none.

    That is the whole ``iter_N.pth`` or ``epoch_N.pth`` with the highest iteration inside, whatever its name, its age
    or ``last_checkpoint`` say. What is damaged, or a folder, is passed over with a warning.

    Raises:
        UserError: there are checkpoints, and all of them are damaged.
    """
    found = [path for path in Path(work_dir).glob('*.pth') if re.fullmatch(r'(iter|epoch)_\d+', path.stem)]
    reached = {path: iteration for path in found if (iteration := _iteration_in(path)) is not None}
    for path in sorted(reached, key=lambda path: reached[path], reverse=True):
        if is_whole(path):
            return path
        print_log(f'{path} is damaged: passed over', logger='current', level=logging.WARNING)
    if found:
        raise UserError(f'{work_dir}: all checkpoints are damaged ({shorten([path.name for path in found])})')
    return None


def _iteration_in(path: Path) -> int | None:
    """The iteration that a checkpoint was written at; ``None``, with a warning, where it cannot be read."""
    try:
        checkpoint = read_file(path, lazy=True)
        iteration = checkpoint['meta']['iter']
    except (UserError, KeyError, TypeError) as error:
        reason = 'is a folder' if path.is_dir() else 'is damaged' if isinstance(error, UserError) else 'says no iter'
        print_log(f'{path} {reason}: passed over', logger='current', level=logging.WARNING)
        return None
    return iteration if isinstance(iteration, int) else None
