"""HTML pages in one file: no server, no network, light and dark, tables that sort and filter.

Text is escaped where it enters. The functions that make parts of a page give ``Markup``, which is not escaped again.
"""

import base64
import io
import math
import mimetypes
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

_ENVIRONMENT = Environment(
    loader=PackageLoader('scaseg.visualization', ''), autoescape=True, undefined=StrictUndefined, trim_blocks=True
)
_TABLE = _ENVIRONMENT.from_string(
    """<div class="table">
{% if caption %}<p class="note">{{ caption }}</p>{% endif %}
<input class="filter" type="search" placeholder="show rows with …" aria-label="show rows with these words">
<div class="scroll"><table class="sortable">
<thead><tr>{% for column in columns %}<th scope="col"><button>{{ column }}</button></th>{% endfor %}</tr></thead>
<tbody>
{% for row in rows %}
<tr>{% for cell in row %}
<td data-value="{{ cell.key }}"{% if cell.is_number %} class="number"{% endif %}>{{ cell.shown }}</td>
{% endfor %}</tr>
{% endfor %}
</tbody></table></div></div>"""
)


@dataclass(frozen=True)
class Section:
    """A heading of a page and what stands under it.

    Attributes:
        title: text of the heading.
        parts: text, or what ``paragraph``, ``table`` and ``image_tag`` give; text is escaped.
    """

    title: str
    parts: Sequence[str | Markup]


@dataclass(frozen=True)
class Cell:
    """A cell of a table that shows one thing and is sorted by another.

    Attributes:
        shown: text, or ``Markup``.
        value: number or text to sort by; ``None`` stands last, ascending or descending.
    """

    shown: str | Markup
    value: float | str | None

    @property
    def is_number(self) -> bool:
        return isinstance(self.value, int | float)

    @property
    def key(self) -> str:
        """The value as the page keeps it; empty where there is none."""
        is_missing = self.value is None or (isinstance(self.value, float) and math.isnan(self.value))
        return '' if is_missing else str(self.value)


def render_page(title: str, sections: Sequence[Section]) -> str:
    """A whole HTML page that holds all it shows.

    Args:
        title: of the window and at the top of the page.
        sections: with more than two of them, links to each stand under the title.
    """
    return _ENVIRONMENT.get_template('page.html.jinja').render(title=title, sections=sections)


def paragraph(text: str) -> Markup:
    """A paragraph of escaped text."""
    return Markup('<p>{}</p>').format(text)


def table(columns: Sequence[str], rows: Sequence[Sequence[object]], caption: str = '') -> Markup:
    """A table that a click on a column's head sorts and a line of text filters.

    Args:
        columns: heads of the columns.
        rows: one value for each column: text, ``Markup``, a number (floats are shown with two decimals), ``None`` (an
            empty cell) or a ``Cell``.
        caption: a line above it.

    Raises:
        ValueError: a row has not as many values as there are columns.
    """
    for row in rows:
        if len(row) != len(columns):
            raise ValueError(f'{len(row)} values for {len(columns)} columns: {list(row)}')
    return Markup(_TABLE.render(columns=columns, rows=[[_cell(x) for x in row] for row in rows], caption=caption))


def image_tag(image: np.ndarray | Path, alt: str) -> Markup:
    """An image inside the page.

    Args:
        image: (H, W) or (H, W, 3) uint8, RGB, which is packed as PNG; or a file, taken as it is.
        alt: what the image shows, for who cannot see it.
    """
    if isinstance(image, Path):
        kind, data = mimetypes.guess_type(image.name)[0] or 'application/octet-stream', image.read_bytes()
    else:
        buffer = io.BytesIO()
        Image.fromarray(image).save(buffer, 'PNG')
        kind, data = 'image/png', buffer.getvalue()
    source = f'data:{kind};base64,{base64.b64encode(data).decode()}'
    return Markup('<img src="{}" alt="{}" loading="lazy">').format(source, alt)


def _cell(value: object) -> Cell:
    if isinstance(value, Cell):
        return value
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return Cell('', None)
    if isinstance(value, float):
        return Cell(f'{value:.2f}', value)
    if isinstance(value, int):
        return Cell(str(value), value)
    if isinstance(value, Markup):
        return Cell(value, value.striptags())
    return Cell(str(value), str(value))
