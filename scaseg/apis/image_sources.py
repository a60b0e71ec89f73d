"""What a network can be shown: files, folders, patterns, arrays, PIL images, tensors, and lists of them."""

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageOps

from scaseg.datasets.file_listing import IMAGE_SUFFIXES, list_files
from scaseg.errors import UserError

PATTERN = '*?['


@dataclass(frozen=True)
class Picture:
    """One picture to predict, not read yet if it is a file.

    Attributes:
        name: of the files that are written about it, without a suffix; may hold sub-folders.
        path: the file.
        array: pixels in RGB order, (H, W, 3) uint8, where it is no file.
    """

    name: str
    path: Path | None = None
    array: np.ndarray | None = None


def pictures_of(source: Any) -> list[Picture]:
    """All pictures of a source.

    Args:
        source: a path, folder (with its sub-folders) or pattern (``'street/*.jpg'``); an RGB array (H, W), (H, W, 1),
            (H, W, 3) or (H, W, 4), or a stack of them; a PIL image; an RGB tensor (3, H, W) or (N, 3, H, W); or a list
            of these. Arrays and tensors are uint8, or floating-point from 0 to 1.

    Returns:
        The pictures, with one name each.

    Raises:
        UserError: a file, folder or pattern gives no picture, or an array has other axes, type or values.
    """
    pictures = list(_pictures(source))
    names = Counter(picture.name for picture in pictures)
    pictures = [replace(p, name=f'{p.name}{p.path.suffix}') if names[p.name] > 1 and p.path else p for p in pictures]
    owners: dict[str, Picture] = {}
    for picture in pictures:
        other = owners.setdefault(picture.name, picture)
        if other is not picture:
            raise UserError(f'{other.path} and {picture.path} have one name: predict them apart, or give their folder')
    return pictures


def is_single(source: Any) -> bool:
    """Whether a source is one picture by its kind, and not a collection that may hold one."""
    if isinstance(source, (str, Path)):
        return Path(source).is_file() or not (Path(source).is_dir() or _is_pattern(source))
    if isinstance(source, (np.ndarray, torch.Tensor)):
        return source.ndim < 4
    return isinstance(source, Image.Image)


def _pictures(source: Any) -> Iterator[Picture]:
    if isinstance(source, (str, Path)):
        yield from _files(source)
    elif isinstance(source, Image.Image):
        yield Picture('image', array=_from_pil(source))
    elif isinstance(source, (np.ndarray, torch.Tensor)):
        stack = source if source.ndim == 4 else [source]
        for index, image in enumerate(stack):
            yield Picture(_number(index, stack), array=_from_array(image))
    elif isinstance(source, Iterable):
        parts = list(source)
        for index, part in enumerate(parts):
            for picture in _pictures(part):
                yield picture if picture.path else replace(picture, name=f'{_number(index, parts)}{picture.name[5:]}')
    else:
        raise UserError(f'{type(source).__name__} is not a picture: give a path, an array, a PIL image or a tensor')


def _number(index: int, of: Sequence | np.ndarray | torch.Tensor) -> str:
    return f'image_{index:04d}' if len(of) > 1 else 'image'


def _files(source: str | Path) -> Iterator[Picture]:
    path = Path(source).expanduser()
    if path.is_dir():
        files = [file for file in list_files(path) if file.lower().endswith(IMAGE_SUFFIXES)]
        if not files:
            raise UserError(f'{source}: the folder holds no image ({", ".join(IMAGE_SUFFIXES)})')
        for file in files:
            yield Picture(str(Path(file).with_suffix('')), path / file)
    elif path.is_file():
        yield Picture(path.stem, path)
    elif _is_pattern(source):
        below = path.relative_to(path.anchor)
        found = sorted(file for file in Path(path.anchor).glob(str(below)) if file.is_file())
        if not found:
            raise UserError(f'{source}: no file matches this pattern')
        for file_path in found:
            yield Picture(file_path.stem, file_path)
    else:
        raise UserError(f'{source}: no such file or folder')


def _is_pattern(source: str | Path) -> bool:
    return any(character in str(source) for character in PATTERN)


def _from_pil(image: Image.Image) -> np.ndarray:
    if image.mode in ('I', 'F') or image.mode.startswith('I;'):
        raise UserError(f'a PIL image of mode {image.mode} has more than 8 bits: scale it to 0..255 first')
    upright = ImageOps.exif_transpose(image) or image
    return np.asarray(upright.convert('RGB'))


def _from_array(image: np.ndarray | torch.Tensor) -> np.ndarray:
    """(H, W, 3) uint8 of an array with its channels last, or of a tensor with its channels first."""
    if isinstance(image, torch.Tensor):
        if image.ndim != 3 or image.shape[0] not in (1, 3):
            raise UserError(f'a tensor of shape {tuple(image.shape)}: expected (3, H, W) or (N, 3, H, W), RGB')
        image = image.detach().cpu().permute(1, 2, 0).numpy()
    if image.ndim not in (2, 3) or 0 in image.shape or (image.ndim == 3 and image.shape[2] not in (1, 3, 4)):
        raise UserError(f'an array of shape {image.shape}: expected (H, W), (H, W, 1), (H, W, 3) or (H, W, 4), RGB')
    if np.issubdtype(image.dtype, np.floating):
        if not (np.isfinite(image).all() and image.min() >= 0 and image.max() <= 1):
            raise UserError('a floating-point picture has values beyond 0..1: scale it, or give it as uint8')
        image = (255 * image).round().astype(np.uint8)
    if image.dtype != np.uint8:
        raise UserError(f'a picture of type {image.dtype}: scale it to 0..255 and give it as uint8')
    image = image.reshape(*image.shape[:2], -1)
    return np.ascontiguousarray(np.repeat(image, 3, axis=2) if image.shape[2] == 1 else image[..., :3])
