"""From the bytes of image and label files to arrays, without a silent loss of pixels or of depth."""

import io
from typing import NamedTuple

import cv2
import numpy as np
import simplejpeg
from PIL import Image

ORIENTATION = 0x112  # the EXIF tag for rotations and reflections; 1 is upright

JPEG_START = b'\xff\xd8'
NPY_START = b'\x93NUMPY'


class DecodingError(ValueError):
    """The bytes cannot be decoded, or only with pixels made up by the decoder. The message gives the reason."""


class LabelFile(NamedTuple):
    """What a label file holds.

    Attributes:
        values: (H, W) of an integer type, the numbers in the file; (H, W, C) uint8 where it is a colour picture.
        palette: (N, 3) uint8, the RGB colours of the indices 0..N-1 of a palette file, else ``None``.
    """

    values: np.ndarray
    palette: np.ndarray | None


def decode_image(content: bytes, allow_damage: bool = False) -> np.ndarray:
    """Decode an image file to BGR at full depth, turned as its EXIF data say.

    A JPEG gives the pixels that OpenCV gives, in about half the time.

    Args:
        content: a file of any format that OpenCV reads.
        allow_damage: take a JPEG whose decoder warns; the pixels it could not read are grey or shifted.

    Returns:
        (H, W, 3), uint8, or uint16 or float32 where the file is deeper.

    Raises:
        DecodingError: no decoder reads the bytes, or one warns of damage and ``allow_damage`` is false.
    """
    if content.startswith(JPEG_START):
        image = _decode_jpeg(content, strict=not allow_damage)
        if image is not None:
            return image
    decoded = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_COLOR | cv2.IMREAD_ANYDEPTH)
    if decoded is None:
        raise DecodingError('damaged, or not an image' if content else 'the file is empty')
    return decoded


def decode_labels(content: bytes, spread: bool = False) -> LabelFile:
    """Decode a label file to the numbers it holds, at full depth; a palette file gives its indices.

    Args:
        content: PNG, TIFF, BMP and whatever else PIL reads without loss, or NPY.
        spread: gray levels of fewer than 8 bits are spread over 0..255, as the PNG format has it, and not refused.

    Raises:
        DecodingError: the bytes are damaged, or of a kind from which ids cannot be read: JPEG, decimals, or gray
            levels of fewer than 8 bits.
    """
    if content.startswith(NPY_START):
        return LabelFile(_integers(decode_npy(content)), None)
    try:
        with Image.open(io.BytesIO(content)) as checked:
            kind = checked.format
            if kind == 'PNG':
                checked.verify()  # the checksums, which decoding does not look at
        with Image.open(io.BytesIO(content)) as picture:
            colours = picture.getpalette() if picture.mode == 'P' else None
            bilevel = picture.mode == '1'
            values = np.array(picture.convert('L') if bilevel else picture)
    except (OSError, SyntaxError, ValueError, EOFError) as error:  # what PIL raises for damaged files
        raise DecodingError(str(error) or type(error).__name__) from error
    if kind in ('JPEG', 'MPO'):
        raise DecodingError('JPEG alters ids to save space: export the labels as PNG')
    few_bits = kind == 'PNG' and content[25] == 0 and content[24] < 8  # colour type and bits, in its header
    if not spread and (bilevel or few_bits):
        raise DecodingError(
            'gray levels of fewer than 8 bits: one program reads 0, 1 …, the next spreads them over 0..255. Save the '
            'ids with 8 bits'
        )
    return LabelFile(_integers(values), None if colours is None else np.array(colours, np.uint8).reshape(-1, 3))


def decode_npy(content: bytes) -> np.ndarray:
    """The array in a file of ``np.save``; files of Python objects are refused, because reading them runs code.

    Raises:
        DecodingError: the file is damaged or holds objects.
    """
    try:
        return np.load(io.BytesIO(content), allow_pickle=False)
    except (ValueError, EOFError, OSError) as error:
        raise DecodingError(str(error)) from error


def _integers(values: np.ndarray) -> np.ndarray:
    if values.dtype.kind not in 'iu' or values.ndim not in (2, 3):
        raise DecodingError(
            f'it holds {values.ndim}-dimensional {values.dtype}: save ids as integers of 8 or 16 bits, (height, width)'
        )
    return values


def _decode_jpeg(content: bytes, strict: bool) -> np.ndarray | None:
    """BGR pixels; ``None`` where they need what OpenCV does besides: turning, or other colours than YCbCr and gray."""
    try:
        colours = simplejpeg.decode_jpeg_header(content)[2]
        plain = colours in ('Gray', 'YCbCr', 'RGB')
        image = simplejpeg.decode_jpeg(content, 'BGR' if plain else 'CMYK', strict=strict)
        with Image.open(io.BytesIO(content)) as picture:
            upright = picture.getexif().get(ORIENTATION, 1) == 1
    except (ValueError, OSError, SyntaxError) as error:
        hint = '; allow_damage=True on LoadImage takes what can be read' if strict else ''
        raise DecodingError(f'{error}{hint}') from error
    return image if plain and upright else None
