"""Files inside zip and tar archives, read one after the other; nothing is written under a name from them."""

import lzma
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from scaseg.errors import UserError

SUFFIXES = ('.zip', '.tar', '.tgz', '.tar.gz')
DAMAGE = (zipfile.BadZipFile, tarfile.TarError, zlib.error, lzma.LZMAError, EOFError, OSError, NotImplementedError)


def find_archives(folder: Path) -> list[Path]:
    """The archives in a folder, sorted.

    Raises:
        UserError: there is no such folder, or it holds none.
    """
    files = folder.iterdir() if folder.is_dir() else ()
    found = sorted(path for path in files if path.name.lower().endswith(SUFFIXES))
    if not found:
        raise UserError(f'--src {folder}: there are no archives ({", ".join(SUFFIXES)}) in this folder')
    return found


def read_members(archive: Path, wanted: Callable[[str], bool]) -> Iterator[tuple[str, bytes]]:
    """Names and contents of the regular files in an archive that are wanted; links and devices are passed over.

    Raises:
        UserError: the archive is damaged or cut off.
    """
    try:
        if zipfile.is_zipfile(archive):
            with zipfile.ZipFile(archive) as file:
                for entry in file.infolist():
                    if not entry.is_dir() and wanted(entry.filename):
                        yield entry.filename, file.read(entry)  # compares the checksum
        else:
            with tarfile.open(archive, 'r|*') as stream:
                for member in stream:
                    if member.isfile() and wanted(member.name):
                        content = stream.extractfile(member)
                        assert content is not None
                        yield member.name, content.read()
    except DAMAGE as error:
        raise UserError(f'{archive}: the archive is damaged or cut off ({error}): download it again') from error
