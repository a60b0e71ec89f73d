"""Checkpoints at an address: fetched once, kept under the address, never mistaken for a file of the same name."""

import fcntl
import os
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import sha256
from http.client import HTTPException
from pathlib import Path
from tempfile import TemporaryDirectory
from urllib.parse import unquote, urlsplit
from urllib.request import url2pathname

import torch
from mmengine.runner.checkpoint import get_external_models, get_torchvision_models

from ..errors import UserError

NETWORK_TIMEOUT = 30.0  # seconds without a byte: a dead mirror must not hold up the next one
# Names of model zoos that mm configs use, and mmengine's lists of the addresses behind them.
ZOOS = {
    'torchvision': get_torchvision_models,
    'modelzoo': get_torchvision_models,
    'open-mmlab': get_external_models,
    'openmmlab': get_external_models,
}


def local_copy(source: str) -> Path:
    """The file behind a path or an address; what is remote is downloaded into torch's cache once.

    Args:
        source: a path, ``file://…``, ``http://…``, ``https://…``, or a name of a model zoo that mmengine knows
            (``torchvision://resnet50``, ``open-mmlab://resnet50_v1c``).

    Raises:
        UserError: nothing answers there, or the scheme is unknown.
    """
    scheme, separator, rest = source.partition('://')
    if not separator:
        return Path(source).expanduser()
    if scheme in ZOOS:
        addresses = ZOOS[scheme]()
        if rest not in addresses:
            raise UserError(f'{source}: mmengine knows no such file')
        return local_copy(addresses[rest])
    if scheme == 'file':
        return Path(url2pathname(unquote(urlsplit(source).path)))
    if scheme not in ('http', 'https'):
        raise UserError(
            f'{source}: {scheme}:// cannot be read; take a path, file://, http:// or https://, or fetch the file first'
        )
    return _download(source)


def _download(url: str) -> Path:
    """The cached file of an address, in a folder named after the whole address; one process at a time fetches."""
    name = re.sub(r'[^\w.-]', '_', Path(urlsplit(url).path).name) or 'checkpoint'
    folder = Path(torch.hub.get_dir(), 'checkpoints', 'scaseg', sha256(url.encode()).hexdigest()[:16])
    target = folder / name
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with (folder / '.lock').open('w') as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            if not target.is_file():
                with TemporaryDirectory(prefix='.download-', dir=folder) as scratch, network_timeout(NETWORK_TIMEOUT):
                    incoming = Path(scratch, name)
                    torch.hub.download_url_to_file(url, str(incoming), progress=os.isatty(2))
                    incoming.replace(target)
    except (OSError, HTTPException, RuntimeError, ValueError) as error:
        reason = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f'{url} cannot be fetched into {folder} ({reason}); fetch it by hand, give its path'
        ) from error
    return target


@contextmanager
def network_timeout(seconds: float) -> Iterator[None]:
    """torch.hub's download takes no timeout of its own."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
