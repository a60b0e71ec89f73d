"""tools/predict.py: pictures and tables, going on, broken files, videos, and files of others."""

import csv
import json
import re
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scaseg.apis.predict import load_model
from scaseg.apis.predict_files import predict_files
from scaseg.errors import UserError
from scaseg.visualization import PICTURES

from .photo_model import CLASSES, PALETTE, REPOSITORY, make_run


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp('photos'))


@pytest.fixture
def images(run: Path) -> str:
    return str(run.parent / 'images')


@pytest.fixture(scope='module')
def video(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp('video') / 'clip.mp4'
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), 12.5, (70, 47 + 1))
    for level in range(7):
        writer.write(np.full((48, 70, 3), 30 * level, np.uint8))
    writer.release()
    return path


def test_pictures_and_tables(run: Path, images: str, tmp_path: Path) -> None:
    assert predict_files(run, None, [images], tmp_path / 'out', list(PICTURES)) == []
    expected = load_model(run).predict(images)
    for result in expected:
        with Image.open(tmp_path / 'out' / 'labels' / f'{result.name}.png') as picture:
            assert picture.mode == 'P' and picture.getpalette()[:30] == [c for colour in PALETTE for c in colour]
            np.testing.assert_array_equal(np.asarray(picture), result.labels)
        for kind, draw in PICTURES.items():
            with Image.open(tmp_path / 'out' / kind / f'{result.name}.png') as picture:
                assert picture.size == (draw(result).size if kind == 'labels' else draw(result).shape[1::-1])
    with (tmp_path / 'out' / 'areas.csv').open(newline='') as file:
        rows = list(csv.DictReader(file))
    summary = json.loads((tmp_path / 'out' / 'areas.json').read_text())
    assert summary['classes'] == list(CLASSES)
    for result, row, entry in zip(expected, rows, summary['files'], strict=True):
        assert (row['name'], row['height'], row['width']) == (result.name, *map(str, result.labels.shape))
        assert entry['pixels'] == result.pixels
        for name in CLASSES:
            assert float(row[name]) == pytest.approx(result.areas.get(name, 0), abs=1e-4)


def test_a_second_run_goes_on(run: Path, images: str, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    out = tmp_path / 'out'
    predict_files(run, None, [f'{images}/scene0.jpg'], out)
    before = (out / 'overlay/scene0.png').stat().st_mtime_ns
    with (out / 'predictions.jsonl').open('a') as file:
        file.write('{"name": "half')  # a run that was killed
    predict_files(run, None, [images], out)
    assert '1 of 3 images are there already' in capsys.readouterr().out
    assert (out / 'overlay/scene0.png').stat().st_mtime_ns == before
    assert len((out / 'areas.csv').read_text().splitlines()) == 4
    (out / 'labels/scene0.png').unlink()
    predict_files(run, None, [images], out)
    assert (out / 'labels/scene0.png').is_file()
    assert len((out / 'areas.csv').read_text().splitlines()) == 4
    predict_files(run, None, [images], out)
    assert '3 of 3 images are there already' in capsys.readouterr().out
    with pytest.raises(UserError, match=r'holds predictions of .*iter_6.pth, made in another way'):
        predict_files(run, None, [images], out, tta=True)


def test_files_of_others_are_kept(run: Path, images: str, tmp_path: Path) -> None:
    taken = tmp_path / 'labels' / 'scene1.png'
    taken.parent.mkdir()
    Image.new('L', (3, 3)).save(taken)
    content = taken.read_bytes()
    with pytest.raises(UserError, match=r'scene1.png exists and was not written by scaseg'):
        predict_files(run, None, [images], tmp_path)
    assert taken.read_bytes() == content
    assert sorted(path.name for path in tmp_path.rglob('*')) == ['labels', 'scene1.png']
    (tmp_path / 'other').mkdir()
    for name, message in (('areas.csv', 'areas.csv in it is not ours'), ('predictions.jsonl', 'jsonl in it is not')):
        (tmp_path / 'other' / name).write_text('{"mine": 1}\n')
        with pytest.raises(UserError, match=message):
            predict_files(run, None, [images], tmp_path / 'other')
        (tmp_path / 'other' / name).unlink()
    predict_files(run, None, [f'{images}/scene0.jpg'], tmp_path / 'out')
    copy = tmp_path / 'scene0.jpg'
    copy.write_bytes(Path(images, 'scene0.jpg').read_bytes())
    with pytest.raises(UserError, match=r"holds 'scene0' of .*images/scene0.jpg"):
        predict_files(run, None, [str(copy)], tmp_path / 'out')


def test_a_video_keeps_rate_and_length(run: Path, video: Path, tmp_path: Path) -> None:
    assert predict_files(run, None, [str(video)], tmp_path / 'out') == []
    written = cv2.VideoCapture(str(tmp_path / 'out/overlay/clip.mp4'))
    assert written.get(cv2.CAP_PROP_FPS) == pytest.approx(12.5)
    frames = 0
    while written.read()[0]:
        frames += 1
    assert frames == 7
    entry = json.loads((tmp_path / 'out/areas.json').read_text())['files'][0]
    assert (entry['frames'], sum(entry['pixels'].values())) == (7, 7 * 48 * 70)
    before = (tmp_path / 'out/overlay/clip.mp4').stat().st_mtime_ns
    predict_files(run, None, [str(video)], tmp_path / 'out')
    assert (tmp_path / 'out/overlay/clip.mp4').stat().st_mtime_ns == before


def run_tool(arguments: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """The tool in this process."""
    monkeypatch.setattr(sys, 'argv', ['tools/predict.py', *arguments])
    runpy.run_path(str(REPOSITORY / 'tools' / 'predict.py'), run_name='__main__')


def test_broken_files_are_reported_and_the_rest_goes_on(
    run: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'broken.png').write_bytes(b'\x89PNG not really')
    (tmp_path / 'broken.mp4').write_bytes(b'no video')
    sources = [str(tmp_path / 'broken.png'), images, str(tmp_path / 'broken.mp4')]
    with pytest.raises(SystemExit) as status:
        run_tool([str(run), *sources, '--out', str(tmp_path / 'out')], monkeypatch)
    assert status.value.code == 1
    error = capsys.readouterr().err
    assert 'broken.png: this image cannot be read' in error
    assert 'broken.mp4: this video cannot be opened' in error
    assert '2 could not be predicted' in error
    assert len(list((tmp_path / 'out' / 'overlay').glob('scene*.png'))) == 3
    run_tool([str(run), images, '--out', str(tmp_path / 'out')], monkeypatch)


def test_errors_of_the_command_line(
    run: Path, images: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    monkeypatch.chdir(tmp_path)
    for arguments, message in (
        ([str(run)], 'SOURCE is missing'),
        ([str(run), 'nowhere.jpg'], 'nowhere.jpg: no such file or folder'),
        (['nowhere', images], 'nowhere: no such file or folder'),
        ([str(run), images, '--pictures', 'cartoon'], 'invalid choice'),
        ([str(run), images, '--batch-size', '0'], 'expected an integer of 1 or more'),
        ([str(run), images, '--device', 'tpu'], 'neither cpu nor cuda'),
        ([str(run), images, '--out', str(run / 'photos.py')], 'is no folder|is not a folder'),
    ):
        with pytest.raises(SystemExit) as status:
            run_tool(arguments, monkeypatch)
        assert status.value.code == 2
        assert re.search(message, capsys.readouterr().err)
    assert list(tmp_path.iterdir()) == []
