"""Bilinear resizing a band of rows at a time: what ``F.interpolate`` gives, without all of it at once."""

from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

BAND_ELEMENTS = {'cpu': 2**20, 'cuda': 2**25}  # what caches hold, and what fills a GPU


class RowBand(NamedTuple):
    """Some rows of a resized map, and what they are made of.

    Attributes:
        rows: of the resized map.
        source: rows of the map, all that the others need.
        lower: for each of ``rows`` the row before it, counted from the first of ``source``.
        upper: the row after it.
        share: of the latter, 0 to 1.
    """

    rows: slice
    source: slice
    lower: list[int]
    upper: list[int]
    share: list[float]


def row_band(height: int, out_height: int, rows: slice, align_corners: bool = False) -> RowBand:
    """The band that makes ``rows`` of a map that is resized from ``height`` to ``out_height`` rows."""
    out = torch.arange(out_height, dtype=torch.float64)[rows]
    if align_corners:
        place = out * ((height - 1) / max(out_height - 1, 1))
    else:
        place = ((out + 0.5) * (height / out_height) - 0.5).clamp(min=0)
    lower = place.floor().long().clamp(max=height - 1)
    upper = place.ceil().long().clamp(max=height - 1)
    first, last = int(lower[0]), int(upper[-1])
    return RowBand(
        rows,
        slice(first, last + 1),
        (lower - first).tolist(),
        (upper - first).tolist(),
        (place - lower).tolist(),
    )


def row_bands(height: int, out_height: int, at_once: int, align_corners: bool = False) -> Iterator[RowBand]:
    """All rows, ``at_once`` in each band."""
    for first in range(0, out_height, at_once):
        yield row_band(height, out_height, slice(first, min(first + at_once, out_height)), align_corners)


def rows_at_once(elements_of_row: int, device: torch.device) -> int:
    """How many rows of so many elements make a band."""
    return max(1, BAND_ELEMENTS.get(device.type, BAND_ELEMENTS['cuda']) // elements_of_row)


def resize_band(source: Tensor, band: RowBand, width: int, align_corners: bool = False) -> Tensor:
    """The rows of a band.

    Args:
        source: (B, C, h, w), the rows ``band.source`` of the map.
        band: of n rows.
        width: W of the resized map.
        align_corners: as in ``F.interpolate``.

    Returns:
        (B, C, n, W), equal to those of ``F.interpolate`` up to rounding.
    """
    # columns by torch, which leaves rows alone where their number stays; then every row between its two
    wide = F.interpolate(source, size=(source.shape[-2], width), mode='bilinear', align_corners=align_corners)
    if not any(band.share) and band.lower == list(range(source.shape[-2])):
        return wide
    lower, upper = (wide.index_select(2, torch.tensor(i, device=source.device)) for i in (band.lower, band.upper))
    return torch.lerp(lower, upper, torch.tensor(band.share, dtype=source.dtype, device=source.device).unsqueeze(-1))
