"""The one reader of checkpoints: a file or an address in, data out; no code in a file is ever run.

``torch.load(weights_only=True)`` takes tensors and plain containers. mmengine stores some objects of its own beside
them, which ``_KNOWN`` lists; every other object is read as an empty placeholder. mmengine's loaders would read such a
file a second time without these limits, so this reader is registered in their place for every scheme that they know.
"""

import pickle
import pickletools
import zipfile
from collections.abc import Callable, Iterator
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.config import ConfigDict
from mmengine.logging import HistoryBuffer
from mmengine.runner import CheckpointLoader
from safetensors.torch import load_file
from torch._utils import IMPORT_MAPPING, NAME_MAPPING

from ..errors import UserError
from .remote import local_copy

Location = str | torch.device | Callable | None  # as torch.load takes it


def read_checkpoint(source: str | PathLike[str], map_location: Location = 'cpu', lazy: bool = False) -> Any:
    """What a checkpoint holds: a .safetensors file, a .npz file or one of ``torch.save``, legacy ones included.

    Args:
        source: path, or an address (``remote.local_copy`` says which).
        map_location: where tensors go.
        lazy: leave the tensors in the file until they are used, if its format can.

    Returns:
        The content; objects that are neither tensors, numpy arrays, plain containers nor mmengine's are
        ``Placeholder``.

    Raises:
        UserError: there is no such file, the address does not answer, or the file is truncated or no checkpoint.
    """
    path = local_copy(str(source))
    if not path.is_file():
        folder = path if path.is_dir() else path.parent
        others = ', '.join(sorted(str(other) for other in folder.glob('*.pth')))
        raise UserError(f'{source}: no such checkpoint' + (f'; {folder} holds {others}' if others else ''))
    try:
        if path.suffix == '.safetensors':
            return load_file(path)
        if path.suffix == '.npz':
            with np.load(path, allow_pickle=False) as arrays:
                return {name: torch.from_numpy(array) for name, array in arrays.items()}
        load = partial(torch.load, path, map_location=map_location, weights_only=True)
        load.keywords['mmap'] = lazy and zipfile.is_zipfile(path)
        with torch.serialization.safe_globals(_KNOWN):
            try:
                return load()
            except pickle.UnpicklingError:
                foreign: list = [(Placeholder, name) for name in _classes_in(path) if name not in _KNOWN_NAMES]
                with torch.serialization.safe_globals(foreign):
                    return load()
    except Exception as error:  # a damaged pickle can raise anything at all
        raise UserError(
            f'{path} is truncated or no checkpoint of tensors ({type(error).__name__}: {_first_line(error)}); '
            'fetch it again, or save its state dict alone'
        ) from error


class Placeholder:
    """Stands for an object of a class that is not known: takes any arguments and any state, keeps nothing."""

    def __init__(self, *args: Any) -> None:
        pass

    def __new__(cls, *args: Any) -> 'Placeholder':
        return super().__new__(cls)

    def __setstate__(self, state: Any) -> None:
        pass


def is_whole(path: Path) -> bool:
    """Whether every part of a ``torch.save`` file has the checksum that was written beside it."""
    try:
        with zipfile.ZipFile(path) as archive:
            return archive.testzip() is None
    except (zipfile.BadZipFile, OSError, NotImplementedError, RuntimeError):  # flags that a damaged header may carry
        return False


def _history_method(owner: type, name: str) -> Any:
    """In place of ``getattr``, by which a HistoryBuffer names its own statistics in a file."""
    if owner is not HistoryBuffer or name not in ('min', 'max', 'current', 'mean'):
        raise pickle.UnpicklingError(f'it asks for {name!r} of {owner!r}')
    return getattr(owner, name)


def _numpy_names(name: str) -> list[str]:
    return [f'numpy.{core}.multiarray.{name}' for core in ('core', '_core')]  # before numpy 2, and since


_KNOWN: list = [
    HistoryBuffer,
    ConfigDict,
    slice,
    np.ndarray,
    np.dtype,
    *{type(np.dtype(code)) for code in '?bBhHiIlLqQefdgFDGSUOV'},
    (_history_method, 'builtins.getattr'),
    *((np.ndarray.__reduce__(np.empty(0))[0], name) for name in _numpy_names('_reconstruct')),  # type: ignore[index]
    *((np.float64(0).__reduce__()[0], name) for name in _numpy_names('scalar')),  # type: ignore[index]
]
_KNOWN_NAMES = {name for entry in _KNOWN if isinstance(entry, tuple) for name in entry[1:]}
_KNOWN_NAMES |= {f'{kind.__module__}.{kind.__qualname__}' for kind in _KNOWN if isinstance(kind, type)}


def _classes_in(path: Path) -> set[str]:
    """Names of all classes and functions that a ``torch.save`` file mentions, without loading any."""
    names = set()
    for opcode, argument, _ in _opcodes(path):
        if opcode.name == 'GLOBAL':
            module, name = argument.split(' ', maxsplit=1)
            module, name = NAME_MAPPING.get((module, name), (IMPORT_MAPPING.get(module, module), name))
            names.add(f'{module}.{name}')
    return names


def _opcodes(path: Path) -> Iterator[tuple]:
    if zipfile.is_zipfile(path):
        with zipfile.ZipFile(path) as archive:
            for name in archive.namelist():
                if name.endswith('data.pkl'):
                    yield from pickletools.genops(archive.read(name))
        return
    with path.open('rb') as file:  # before torch 1.6: magic number, version, machine, content, names of the storages
        for _ in range(5):
            yield from pickletools.genops(file)


def _first_line(error: BaseException) -> str:
    """The cause, without the page of advice that torch puts around it: to trust the file is not a remedy."""
    text = str(error).rpartition('WeightsUnpickler error:')[2].strip()
    line = (text.splitlines() or [type(error).__name__])[0]
    for advice in ('Please use', 'In PyTorch 2.6', 'weights_only'):
        line = line.partition(advice)[0]
    return line.strip()[:200] or type(error).__name__


def load_from_checked_file(filename: str, map_location: Location = None) -> Any:
    """``read_checkpoint`` as mmengine calls a loader."""
    return read_checkpoint(filename, map_location or 'cpu')


for _scheme in [*CheckpointLoader._schemes, 'file://']:
    CheckpointLoader.register_scheme(_scheme, load_from_checked_file, force=True)
