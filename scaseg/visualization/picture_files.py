"""Picture files that carry the mark of who wrote them, so that no one else's file is ever replaced."""

import os
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image, PngImagePlugin

from scaseg.errors import UserError, folder_problem

MARK = ('Software', 'scaseg')


def save_picture(picture: np.ndarray | Image.Image, path: Path) -> None:
    """Write a PNG with our mark: beside its name first, then under it, so that a kill leaves no half file.

    Args:
        picture: (H, W, 3) uint8, RGB, or a picture of any mode that PNG has.
        path: file to write; its folder is made.

    Raises:
        UserError: a file that we did not write lies there, or the folder cannot be made or written.
    """
    check_replaceable(path)
    image = picture if isinstance(picture, Image.Image) else Image.fromarray(picture)
    mark = PngImagePlugin.PngInfo()
    mark.add_text(*MARK)
    incoming = path.with_name(f'.{path.name}.{os.getpid()}')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        image.save(incoming, format='PNG', pnginfo=mark)
        incoming.replace(path)
    except OSError as error:
        incoming.unlink(missing_ok=True)
        raise UserError(f'{path} cannot be written ({error.strerror or error})') from error


def save_figure(figure: Figure, path: Path) -> None:
    """Write a figure of matplotlib, a PNG with our mark; other formats carry none.

    Raises:
        UserError: a picture that we did not write lies there, or the folder cannot be written.
    """
    is_png = path.suffix == '.png'
    if is_png:
        check_replaceable(path)
    figure.savefig(path, metadata=dict([MARK]) if is_png else None)


def check_replaceable(path: Path) -> None:
    """Check that a picture may be written.

    Raises:
        UserError: a file that we did not write lies there, or the folder cannot be made or written.
    """
    if problem := folder_problem(path.parent):
        raise UserError(f'{path} cannot be written: {problem}; name another folder')
    if os.path.lexists(path) and not is_ours(path):
        raise UserError(f'{path} exists and was not written by scaseg: it is kept; name another folder')


def is_ours(path: Path) -> bool:
    """Whether a file is a PNG with our mark."""
    try:
        with Image.open(path) as image:
            return image.info.get(MARK[0]) == MARK[1]
    except (OSError, SyntaxError, ValueError):
        return False
