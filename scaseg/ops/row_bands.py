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
        rows: n rows of the resized map.
        source: rows of the map, all that the others need.
        lower: (n,), the row before each of ``rows``, counted from the first of ``source``.
        upper: (n,), the row after it.
        share: (n, 1), of the latter, 0 to 1; ``None`` where rows are those of the map.
    """

    rows: slice
    source: slice
    lower: Tensor
    upper: Tensor
    share: Tensor | None


def row_band(height: int, out_height: int, rows: slice, device: torch.device, align_corners: bool = False) -> RowBand:
    """The band that makes ``rows`` of a map that is resized from ``height`` to ``out_height`` rows.

    Its numbers are computed on the CPU, where reading them back costs nothing, and moved to the device once.
    """
    out = torch.arange(rows.start, rows.stop, dtype=torch.float64)
    if align_corners:
        place = out * ((height - 1) / max(out_height - 1, 1))
    else:
        place = ((out + 0.5) * (height / out_height) - 0.5).clamp(min=0)
    lower = place.floor().long().clamp(max=height - 1)
    upper = place.ceil().long().clamp(max=height - 1)
    source = slice(int(lower[0]), int(upper[-1]) + 1)
    share = None if height == out_height else (place - lower).unsqueeze(-1).to(device)
    return RowBand(rows, source, (lower - source.start).to(device), (upper - source.start).to(device), share)


def row_bands(
    height: int, out_height: int, at_once: int, device: torch.device, align_corners: bool = False
) -> Iterator[RowBand]:
    """All rows, ``at_once`` in each band."""
    for first in range(0, out_height, at_once):
        yield row_band(height, out_height, slice(first, min(first + at_once, out_height)), device, align_corners)


def rows_at_once(row_elements: int, device: torch.device) -> int:
    """How many rows of so many elements make a band."""
    return max(1, BAND_ELEMENTS.get(device.type, BAND_ELEMENTS['cuda']) // row_elements)


def resize_band(source: Tensor, band: RowBand, width: int, align_corners: bool = False) -> Tensor:
    """The rows of a band.

    Args:
        source: (B, C, h, w), the rows ``band.source`` of the map.
        band: of n rows.
        width: W of the resized map.
        align_corners: as in ``F.interpolate``.

    Returns:
        (B, C, n, W): what ``F.interpolate`` gives, but for its places of rows, which it computes in the dtype of the
        map: in float32 they are off by 1e-7 of the height.
    """
    if width != source.shape[-1]:  # columns by torch, which leaves rows alone where their number stays
        size = source.shape[-2], width
        source = F.interpolate(source, size=size, mode='bilinear', align_corners=align_corners)
    if band.share is None:
        return source
    lower, upper = (source.index_select(2, index) for index in (band.lower, band.upper))
    return torch.lerp(lower, upper, band.share.to(source.dtype))
