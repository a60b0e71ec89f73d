"""Logs of killed and resumed runs become one training; the figure is drawn from them."""

import json
import runpy
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaseg.errors import UserError
from scaseg.visualization import plot_curves, read_scalars

TOOL = Path(__file__).parents[2] / 'tools/analysis/plot_curves.py'


def train(step: int, loss: float) -> dict:
    return {'base_lr': 1e-3 / step, 'lr': 1e-4 / step, 'loss': loss, 'time': 0.1, 'iter': step, 'step': step}


def val(step: int, score: float) -> dict:
    return {'mIoU': score, 'mAcc': score, 'time': 0.5, 'step': step}


def write_run(work_dir: Path, start: str, entries: list[dict], rest: str = '') -> Path:
    path = work_dir / start / 'vis_data/scalars.json'
    path.parent.mkdir(parents=True)
    path.write_text(''.join(f'{json.dumps(entry)}\n' for entry in entries) + rest)
    return path


def test_resumed_runs_are_one_training(tmp_path: Path) -> None:
    # written in another order than they ran
    write_run(tmp_path, '20260102_000000', [train(20, 2.5), train(30, 2.0), val(30, 61.234567)])
    write_run(tmp_path, '20260101_120000', [train(10, 4.0), val(10, 50.0), train(20, 3.0)], '{"base_lr": 0.000')
    scalars = read_scalars(tmp_path)
    assert scalars.train['loss'].steps.tolist() == [10, 20, 30]
    assert scalars.train['loss'].values.tolist() == [4.0, 2.5, 2.0]
    assert scalars.val['mIoU'].steps.tolist() == [10, 30]
    assert scalars.val['mIoU'].values.tolist() == [50.0, 61.234567]
    assert scalars.train['time'].values.tolist() == [0.1] * 3
    assert scalars.val['time'].values.tolist() == [0.5] * 2
    assert 'step' not in scalars.train and 'iter' not in scalars.train


def test_validation_without_training_is_no_part_of_the_curve(tmp_path: Path) -> None:
    write_run(tmp_path, '20260101_000000', [train(10, 4.0), val(10, 50.0)])
    write_run(tmp_path, '20260102_000000', [val(0, 70.0)])
    assert read_scalars(tmp_path).val['mIoU'].steps.tolist() == [10]


def test_broken_line_in_the_middle_is_named(tmp_path: Path) -> None:
    path = write_run(tmp_path, '20260101_000000', [train(10, 4.0)], '{"loss"\n{"loss": 3.0, "iter": 20, "step": 20}\n')
    with pytest.raises(UserError, match=f'{path}: line 2'):
        read_scalars(tmp_path)


def test_folder_without_a_log_is_named(tmp_path: Path) -> None:
    write_run(tmp_path / 'killed_at_once', '20260101_000000', [])
    for folder in (tmp_path / 'nowhere', tmp_path / 'killed_at_once'):
        with pytest.raises(UserError, match=f'{folder}: no training log'):
            read_scalars(folder)


def test_labels_must_fit(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='2 given for 1'):
        plot_curves([tmp_path], tmp_path / 'curves.png', labels=['a', 'b'])


def test_figure_compares_work_dirs(tmp_path: Path) -> None:
    """One colour for each training; one without a validation and one of a single entry are drawn as well."""
    write_run(tmp_path / 'a', '20260101_000000', [train(i, 1 / i) for i in range(10, 500, 10)] + [val(400, 60.0)])
    write_run(tmp_path / 'b', '20260101_000000', [train(10, 4.0), train(20, float('nan'))])
    write_run(tmp_path / 'c', '20260101_000000', [val(100, float('nan'))])
    out = tmp_path / 'new' / 'curves.png'
    plot_curves([tmp_path / name for name in 'abc'], out, labels=['one', 'two', 'three'])
    picture = np.asarray(Image.open(out).convert('RGB'))
    assert picture.shape == (630, 1800, 3)
    colours = {tuple(colour) for colour in picture.reshape(-1, 3).tolist()}
    assert {(31, 119, 180), (255, 127, 14), (44, 160, 44)} <= colours  # the first three of matplotlib's cycle


def test_command_line(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    main = runpy.run_path(str(TOOL))['main']
    write_run(tmp_path / 'a', '20260101_000000', [train(10, 4.0)])
    assert main([str(tmp_path / 'a')]) == 0
    assert (tmp_path / 'a/curves.png').exists()
    assert main([str(tmp_path / 'a'), '--out', str(tmp_path / 'x.png'), '--labels', 'name']) == 0
    assert (tmp_path / 'x.png').exists()
    assert main([str(tmp_path / 'b')]) == 2
    assert capsys.readouterr().err.startswith(f'error: {tmp_path / "b"}: no training log')
