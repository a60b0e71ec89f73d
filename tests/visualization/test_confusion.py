"""The picture of a confusion matrix."""

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaseg.visualization import draw_confusion


@pytest.mark.parametrize('num_classes', [2, 31], ids=['with numbers', 'without'])
def test_what_is_right_is_dark_and_what_is_not_there_is_grey(num_classes: int, tmp_path: Path) -> None:
    matrix = np.diag(np.full(num_classes, 9))
    matrix[-1] = 0
    draw_confusion(matrix, [f'class {index}' for index in range(num_classes)], tmp_path / 'new' / 'matrix.png')
    picture = np.asarray(Image.open(tmp_path / 'new' / 'matrix.png').convert('RGB')).reshape(-1, 3)
    colours = {tuple(colour) for colour in np.unique(picture, axis=0).tolist()}
    assert {(8, 48, 107), (217, 217, 217)} <= colours, 'the ends: all of a class, and none in the truth'
