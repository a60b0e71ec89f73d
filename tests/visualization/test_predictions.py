"""Colours and sizes of the pictures, and the errors of the user."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaseg.errors import UserError
from scaseg.visualization import Panel, draw_predictions, overlay

CLASSES = ['road', 'sky', 'tree']
PALETTE = [[200, 10, 20], [30, 40, 220], [0, 128, 0]]
PINK, GREY = (255, 0, 150), (128, 128, 128)


@pytest.fixture
def panel() -> Panel:
    """Left half road, right half sky; predicted: all road; the upper quarter is ignored; the image is white."""
    truth = np.zeros((40, 60), dtype=np.uint8)
    truth[:, 30:] = 1
    truth[:10] = 255
    return Panel(np.full((40, 60, 3), 255, np.uint8), truth, np.zeros((40, 60), np.int64), 'street_001')


def colours_of(path: Path) -> dict[tuple[int, ...], int]:
    """Number of pixels of each colour of a picture."""
    colours, counts = np.unique(np.asarray(Image.open(path).convert('RGB')).reshape(-1, 3), axis=0, return_counts=True)
    return {tuple(colour): count for colour, count in zip(colours.tolist(), counts.tolist(), strict=True)}


def test_overlay_mixes_colours_and_leaves_ignored_pixels() -> None:
    image = np.full((1, 3, 3), 100, np.uint8)
    labels = np.array([[0, 1, 255]], np.uint8)
    mixed = overlay(image, labels, PALETTE)
    assert mixed.dtype == np.uint8
    assert mixed.tolist() == [[[150, 55, 60], [65, 70, 160], [100, 100, 100]]]
    assert overlay(image, labels, PALETTE, alpha=1.0).tolist() == [[PALETTE[0], PALETTE[1], [100, 100, 100]]]
    assert (overlay(image, labels, PALETTE, alpha=0.0) == image).all()
    assert (image == 100).all()


def test_figure_with_truth(tmp_path: Path, panel: Panel) -> None:
    out = tmp_path / 'new' / 'predictions.png'
    draw_predictions([panel, replace(panel, prediction=panel.truth)], CLASSES, PALETTE, out)
    assert Image.open(out).width == 1800
    colours = colours_of(out)
    cell = 430 * 287  # pixels of one picture, a little less than a quarter of the width
    assert colours[PINK] == pytest.approx(0.375 * cell, rel=0.1)  # the sky, in the first row only
    assert colours[PALETTE[1][0], PALETTE[1][1], PALETTE[1][2]] == pytest.approx(3 * 0.375 * cell, rel=0.1)
    assert colours[GREY] == pytest.approx(5 * 0.25 * cell, rel=0.1)
    assert (102, 102, 102) in colours  # the image, dimmed
    assert tuple(PALETTE[2]) not in colours  # no tree in any picture, so none in the legend


def test_figure_without_truth(tmp_path: Path, panel: Panel) -> None:
    out = tmp_path / 'predictions.png'
    draw_predictions([panel, replace(panel, truth=None)], CLASSES, PALETTE, out)
    colours = colours_of(out)
    cell = 590 * 393
    assert colours[tuple(PALETTE[0])] == pytest.approx(2 * cell, rel=0.1)
    assert colours[(228, 132, 138)] == pytest.approx(2 * cell, rel=0.1)  # the overlay over white
    assert PINK not in colours and tuple(PALETTE[1]) not in colours


def test_sizes_may_differ_and_truth_may_be_ignored_altogether(tmp_path: Path, panel: Panel) -> None:
    nothing = Panel(
        np.zeros((50, 20, 3), np.uint8), np.full((50, 20), 255, np.uint8), np.ones((50, 20), np.int64), 'empty'
    )
    draw_predictions([panel, nothing], CLASSES, PALETTE, tmp_path / 'predictions.png')
    assert (tmp_path / 'predictions.png').exists()


def test_bad_input_is_named(tmp_path: Path, panel: Panel) -> None:
    out = tmp_path / 'predictions.png'
    with pytest.raises(UserError, match='no sample'):
        draw_predictions([], CLASSES, PALETTE, out)
    with pytest.raises(UserError, match='2 class names, but 3 colours'):
        draw_predictions([panel], CLASSES[:2], PALETTE, out)
    with pytest.raises(UserError, match=r'street_001: the prediction is \(20, 60\), the image \(40, 60\)'):
        draw_predictions([replace(panel, prediction=panel.prediction[:20])], CLASSES, PALETTE, out)
    with pytest.raises(UserError, match='class ids from 0 to 3, but the palette has 3 colours'):
        overlay(np.zeros((1, 2, 3), np.uint8), np.array([[0, 3]]), PALETTE)
    with pytest.raises(UserError, match='street_001, prediction: class ids from 7 to 7'):
        draw_predictions([replace(panel, prediction=panel.prediction + 7)], CLASSES, PALETTE, out)
    assert not out.exists()
