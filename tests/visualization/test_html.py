"""Pages in one file: what they hold, and what a real browser makes of their tables."""

from __future__ import annotations

import base64
import io
import re
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from markupsafe import Markup
from PIL import Image

from scaseg.visualization.html import Cell, Section, image_tag, paragraph, render_page, table

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

ROWS = [
    ['scaseg', 68.751, Cell('4.6 M', 4.6e6)],
    ['sea', 9.5, Cell('12.0 M', 12e6)],
    ['ccnet <b>&</b>', None, Cell('0.9 M', 0.9e6)],
    ['segformer', 70.0, Cell('n/a', None)],
]


@pytest.fixture(scope='module')
def page(browser: Browser, tmp_path_factory: pytest.TempPathFactory) -> Page:
    path = tmp_path_factory.mktemp('page') / 'page.html'
    picture = np.zeros((4, 6, 3), np.uint8)
    parts = [paragraph('a < b'), table(['head', 'mIoU', 'parameters'], ROWS, 'heads'), image_tag(picture, 'nothing')]
    path.write_text(render_page('A study of "heads"', [Section('Table', parts)]), encoding='utf-8')
    page = browser.new_page()
    page.goto(path.as_uri())
    return page


def names(page: Page) -> list[str]:
    return [cell.inner_text() for cell in page.locator('tbody tr:visible td:first-child').all()]


def test_a_click_sorts_by_value_and_a_second_one_turns_the_order(page: Page) -> None:
    parameters = page.get_by_role('button', name='parameters')
    parameters.click()
    assert names(page) == ['ccnet <b>&</b>', 'scaseg', 'sea', 'segformer']  # numbers, not text; no value stands last
    parameters.click()
    assert names(page) == ['sea', 'scaseg', 'ccnet <b>&</b>', 'segformer']
    page.get_by_role('button', name='mIoU').click()
    assert names(page) == ['sea', 'scaseg', 'segformer', 'ccnet <b>&</b>']
    assert page.locator('th[aria-sort]').all_inner_texts()[0].startswith('mIoU')
    page.get_by_role('button', name='head').click()
    assert names(page) == ['ccnet <b>&</b>', 'scaseg', 'sea', 'segformer']


def test_words_filter_rows(page: Page) -> None:
    box = page.get_by_role('searchbox')
    box.fill('SEG 4.6')
    assert names(page) == ['scaseg']
    box.fill('nothing of the kind')
    assert names(page) == []
    box.fill('')
    assert len(names(page)) == 4


@pytest.mark.parametrize('scheme', ['light', 'dark'])
def test_text_stands_out_from_the_page(page: Page, scheme: str) -> None:
    page.emulate_media(color_scheme=scheme)
    style = page.evaluate(
        '(() => { const s = getComputedStyle(document.body); return [s.color, s.backgroundColor]; })()'
    )
    text, paper = (np.mean([int(x) for x in re.findall(r'\d+', colour)[:3]]) for colour in style)
    assert (text < paper) == (scheme == 'light')
    assert abs(text - paper) > 150


def test_the_page_asks_for_nothing_from_outside(browser: Browser, tmp_path: Path) -> None:
    path = tmp_path / 'page.html'
    path.write_text(render_page('t', [Section('s', [Markup('<img src="http://localhost:9/x.png">')])]))
    page, refused = browser.new_page(), []
    page.on('requestfailed', lambda request: refused.append(request.failure))
    page.goto(path.as_uri())
    assert refused == ['csp']  # by the page's own policy, before any connection


def test_text_is_escaped_once() -> None:
    html = render_page('<t>', [Section('a & b', ['<script>', table(['<c>'], [['<x>']]), paragraph('<p>')])])
    assert html.count('&lt;script&gt;') == html.count('>&lt;x&gt;</td>') == html.count('<p>&lt;p&gt;</p>') == 1
    assert '<title>&lt;t&gt;</title>' in html
    assert '&amp;lt;' not in html


def test_images_keep_their_pixels(tmp_path: Path) -> None:
    picture = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    data = re.search(r'data:image/png;base64,([^"]+)', image_tag(picture, 'noise'))
    assert data is not None
    assert np.array_equal(np.asarray(Image.open(io.BytesIO(base64.b64decode(data[1])))), picture)
    (tmp_path / 'plot.svg').write_text('<svg/>')
    assert 'data:image/svg+xml;base64,PHN2Zy8+' in image_tag(tmp_path / 'plot.svg', 'plot')


def test_a_row_of_another_length_is_an_error() -> None:
    with pytest.raises(ValueError, match='1 values for 2 columns'):
        table(['a', 'b'], [[1]])
