"""The files below a folder, as mmseg's data sets list them, and those of which they take no notice."""

import os
from collections import Counter
from pathlib import Path, PurePosixPath

from scaseg.errors import UserError

IMAGE_SUFFIXES = ('.jpg', '.jpeg', '.png', '.bmp', '.tif', '.tiff', '.webp', '.npy')


def list_files(folder: Path) -> list[str]:
    """Paths of all files below a folder, relative to it, sorted, links followed; hidden ones are left out.

    Broken links are listed, too: ``(folder / path).is_file()`` tells them.

    Raises:
        UserError: a link below the folder leads back to a folder that holds it.
    """
    found: list[str] = []
    for parent, folders, files in os.walk(folder, followlinks=True):
        for name in folders:
            link = Path(parent, name)
            if link.is_symlink() and any(p.resolve().is_relative_to(link.resolve()) for p in link.parents):
                raise UserError(f'{link} links to {link.resolve()}, which holds it: remove the link')
        folders[:] = [name for name in folders if not name.startswith('.')]
        below = Path(parent).relative_to(folder)
        found += [str(PurePosixPath(below, name)) for name in files if not name.startswith('.')]
    return sorted(found)


def describe_left_out(folder: Path, files: list[str], suffix: str) -> str | None:
    """Which images of a folder a data set does not take, how many and why; ``None`` if it takes them all.

    Args:
        folder: the folder of images.
        files: all files in it, as ``list_files`` gives them.
        suffix: the one suffix that the data set takes.
    """
    reasons: Counter[str] = Counter()
    for file in files:
        if file.endswith(suffix):
            if not (folder / file).is_file():
                reasons['are broken links'] += 1
        elif file.lower().endswith(IMAGE_SUFFIXES):
            reasons[f'end in {Path(file).suffix}'] += 1
    if not reasons:
        return None
    parts = ', '.join(f'{count} {reason}' for reason, count in sorted(reasons.items()))
    return f'{sum(reasons.values())} images of {folder} are left out, as only *{suffix} files are taken: {parts}'
