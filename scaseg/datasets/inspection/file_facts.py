"""What one image and its label file hold."""

import hashlib
import io
from dataclasses import dataclass, field
from typing import Any

import cv2
import numpy as np
from mmengine import fileio
from PIL import Image, UnidentifiedImageError

from scaseg.datasets.bands import decode_bands, sum_bands
from scaseg.datasets.decoding import ORIENTATION, DecodingError, LabelFile, decode_image, decode_labels
from scaseg.datasets.label_code import IGNORED, LabelCode, count_values, relabel
from scaseg.errors import UserError

THUMBNAIL = 16
CONTOUR = np.ones((7, 7), np.uint8)  # what an erosion with it removes lies within 3 pixels of another id


@dataclass
class SampleFacts:
    """What an image and its label file hold; fields keep their defaults where a file cannot be read.

    Attributes:
        image_path, label_path: the files; there may be no label.
        image_error, label_error: why a file cannot be read, or cannot be trained on.
        image_kind: bits and colours of the image, such as ``'8-bit RGB'``.
        image_size, label_size: (H, W).
        turned: whether the EXIF data turn the image.
        values: value in the label file → its pixels.
        class_pixels: class id → its pixels, 255 for ignored ones.
        stray: value of no class → its pixels.
        zero_at_contours: share of the pixels of value 0 that lie within 3 pixels of another; nan without such pixels.
        digest: of the bytes of the image.
        fingerprint: 64 bits, whether brightness rises from left to right in each of 8 x 8 places (dHash).
        thumbnail: (16, 16) uint8, gray.
        band_sums: (bands, 3): number of pixels, sum and sum of squares of each band, in the order of the file (RGB).
    """

    image_path: str
    label_path: str | None
    image_error: str | None = None
    label_error: str | None = None
    image_kind: str = ''
    image_size: tuple[int, int] | None = None
    label_size: tuple[int, int] | None = None
    turned: bool = False
    values: dict[int, int] = field(default_factory=dict)
    class_pixels: dict[int, int] = field(default_factory=dict)
    stray: dict[int, int] = field(default_factory=dict)
    zero_at_contours: float = float('nan')
    digest: bytes = b''
    fingerprint: int = 0
    thumbnail: np.ndarray | None = None
    band_sums: np.ndarray | None = None


def inspect_sample(info: dict[str, Any], num_classes: int, allow_damage: bool = False) -> SampleFacts:
    """Read the files of a sample whole.

    Args:
        info: what ``get_data_info`` of a data set of mmseg gives.
        num_classes: number of classes K.
        allow_damage: as of ``LoadImage``.
    """
    facts = SampleFacts(info['img_path'], info.get('seg_map_path'))
    _inspect_image(facts, allow_damage, bool(info.get('has_bands')))
    if facts.label_path is not None:
        _inspect_label(facts, info, num_classes)
    return facts


def _inspect_image(facts: SampleFacts, allow_damage: bool, has_bands: bool) -> None:
    try:
        content = fileio.get(facts.image_path)
        image = decode_bands(content) if has_bands else decode_image(content, allow_damage)[..., ::-1]
    except (DecodingError, OSError) as error:
        facts.image_error = str(error)
        return
    facts.digest = hashlib.sha1(content, usedforsecurity=False).digest()
    facts.image_size = (image.shape[0], image.shape[1])
    facts.image_kind, facts.turned = _kind(content, image)
    if has_bands:
        facts.image_kind = f'{image.shape[2]} bands of {image.dtype}'
    facts.band_sums = sum_bands(image)
    gray = image.mean(axis=2).astype(image.dtype) if has_bands else cv2.cvtColor(image, cv2.COLOR_RGB2GRAY)
    if gray.dtype != np.uint8:
        gray = cv2.normalize(gray, np.empty(0), 0, 255, cv2.NORM_MINMAX, cv2.CV_8U)
    facts.thumbnail = cv2.resize(gray, (THUMBNAIL, THUMBNAIL), interpolation=cv2.INTER_AREA)
    small = cv2.resize(gray, (9, 8), interpolation=cv2.INTER_AREA)
    bits = np.packbits(small[:, 1:] > small[:, :-1])
    facts.fingerprint = int.from_bytes(bits.tobytes(), 'big')


def _kind(content: bytes, image: np.ndarray) -> tuple[str, bool]:
    """Bits and colours in words, and whether the EXIF data turn the image."""
    try:
        with Image.open(io.BytesIO(content)) as picture:
            mode, turned = picture.mode, picture.getexif().get(ORIENTATION, 1) != 1
    except (UnidentifiedImageError, OSError, SyntaxError, ValueError):
        mode, turned = 'colours', False
    words = {'L': 'gray', 'I;16': 'gray', 'I': 'gray', 'F': 'gray', '1': 'gray', 'P': 'palette'}
    bits = {'uint8': '8-bit', 'uint16': '16-bit', 'float32': '32-bit float'}[image.dtype.name]
    return f'{bits} {words.get(mode, mode)}', turned


def _inspect_label(facts: SampleFacts, info: dict[str, Any], num_classes: int) -> None:
    assert facts.label_path is not None
    code: LabelCode | None = info.get('label_code')
    try:
        file = decode_labels(fileio.get(facts.label_path), spread=code is not None)
        values = _values(file, code, facts.label_path)
    except (DecodingError, OSError, UserError) as error:
        facts.label_error = str(error).removeprefix(f'{facts.label_path}: ')
        return
    facts.label_size = (values.shape[0], values.shape[1])
    facts.values = count_values(values)
    found = np.array([*facts.values], np.int64)
    if code is None:
        ids = relabel(found, bool(info.get('reduce_zero_label')), info.get('label_map'))
        legal = ((ids >= 0) & (ids < num_classes)) | (ids == IGNORED)
    else:
        ids = code.look_up(found)
        legal = (ids < num_classes) | (ids == IGNORED)
    for (value, count), label, fits in zip(facts.values.items(), ids.tolist(), legal.tolist(), strict=True):
        target, key = (facts.class_pixels, label) if fits else (facts.stray, value)
        target[key] = target.get(key, 0) + count
    if facts.values.get(0):
        zero = (values == 0).astype(np.uint8)
        inner = cv2.erode(zero, CONTOUR, borderType=cv2.BORDER_REPLICATE).sum()
        facts.zero_at_contours = 1 - float(inner) / facts.values[0]


def _values(file: LabelFile, code: LabelCode | None, path: str) -> np.ndarray:
    if code is not None:
        return code.values(file, path)
    if file.values.ndim == 3:
        raise UserError('it is a colour picture: list its colours in a dataset.yaml, see docs/own_data.md')
    return file.values
