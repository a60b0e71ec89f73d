"""Names beside colours: a strip under a picture that says what its colours mean."""

from collections.abc import Sequence
from functools import lru_cache

import numpy as np
from matplotlib import font_manager
from PIL import Image, ImageDraw, ImageFont

Entry = tuple[Sequence[int], str]  # RGB colour 0..255, name

LEAST_WIDTH = 480  # pixels; smaller pictures are enlarged, so that names have room
IGNORED_CANDIDATES = ((128, 128, 128), (0, 0, 0), (255, 255, 255), (255, 160, 200), (90, 60, 30))


def add_legend(picture: np.ndarray, entries: Sequence[Entry], background: int = 255) -> np.ndarray:
    """Put colours and their names under a picture.

    Args:
        picture: (H, W, 3) uint8, RGB. One that is narrower than 480 pixels is enlarged by a whole factor.
        entries: colour and name of each class, in the order in which they are to stand.
        background: grey level of the strip.

    Returns:
        (H', W', 3) uint8, RGB; as wide as the (enlarged) picture.
    """
    factor = -(-LEAST_WIDTH // picture.shape[1])
    picture = picture.repeat(factor, axis=0).repeat(factor, axis=1)
    if not entries:
        return picture
    width = picture.shape[1]
    swatch = int(np.clip(width / 45, 12, 26))
    font, line, gap = _font(swatch), swatch * 3 // 2, swatch // 2
    places: list[tuple[int, int]] = []
    x = y = gap
    for _, name in entries:
        needed = swatch + gap + round(font.getlength(name)) + 2 * gap
        if x > gap and x + needed > width:
            x, y = gap, y + line
        places.append((x, y))
        x += needed
    strip = Image.new('RGB', (width, y + line), (background,) * 3)
    draw = ImageDraw.Draw(strip)
    for (colour, name), (x, y) in zip(entries, places, strict=True):
        draw.rectangle((x, y, x + swatch, y + swatch), fill=tuple(map(int, colour)), outline=(110, 110, 110))
        draw.text((x + swatch + gap, y + swatch // 2), name, fill=(20, 20, 20), font=font, anchor='lm')
    return np.concatenate([picture, np.asarray(strip)])


def area_entries(
    labels: np.ndarray, classes: Sequence[str], palette: Sequence[Sequence[int]], most: int = 16
) -> list[Entry]:
    """Legend of the classes that occur, the largest first, with their share of the pixels.

    Args:
        labels: (H, W) class ids; 255 counts as no class where there are fewer classes.
        classes: their names.
        palette: RGB colour 0..255 of each class.
        most: classes with a line of their own; how many others there are is said at the end.
    """
    counts = np.bincount(labels.ravel(), minlength=len(classes))[: len(classes)]
    order = [index for index in np.argsort(-counts, kind='stable') if counts[index]]
    entries: list[Entry] = [
        (palette[index], f'{classes[index]} {100 * counts[index] / labels.size:.1f} %') for index in order[:most]
    ]
    if len(order) > most:
        entries.append(((255, 255, 255), f'{len(order) - most} smaller ones'))
    return entries


def ignored_colour(palette: Sequence[Sequence[int]]) -> tuple[int, int, int]:
    """A colour for ignored pixels that no class has: grey, unless a class is grey as CamVid's sky is."""
    colours = np.asarray(palette, dtype=float).reshape(-1, 3)

    def distance(candidate: tuple[int, int, int]) -> float:
        return float(np.abs(colours - candidate).max(axis=1).min(initial=np.inf))

    return next((c for c in IGNORED_CANDIDATES if distance(c) >= 40), max(IGNORED_CANDIDATES, key=distance))


@lru_cache
def _font(size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(font_manager.findfont('DejaVu Sans'), size)  # comes with matplotlib
