"""Prediction of video files and cameras, frame by frame."""

from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import cv2
import numpy as np

from scaseg.errors import UserError
from scaseg.visualization import Result, add_legend, overlay

from .image_sources import Picture
from .predict import Predictor
from .prediction_log import PredictionLog
from .progress_bar import progress_bar

VIDEO_SUFFIXES = ('.mp4', '.avi', '.mov', '.mkv', '.webm', '.m4v')
MOST_NAMES = 24  # classes that all fit under a frame; the legend of a video does not change


def predict_video(predictor: Predictor, source: str, log: PredictionLog, batch_size: int | None = None) -> None:
    """Write the overlay of a video, with its frame rate and number of frames, without its sound.

    Args:
        predictor: the network.
        source: a video file, or the number of a camera, which is recorded until Ctrl-C.
        log: of the folder; the video goes to ``overlay/NAME.mp4`` in it.
        batch_size: frames at once.

    Raises:
        UserError: the video cannot be read or written, or a file lies in the way.
    """
    is_camera = source.isdecimal()
    path = None if is_camera else Path(source)
    name = f'camera{source}' if is_camera else Path(source).stem
    out = log.folder / 'overlay' / f'{name}.mp4'
    if path is not None and not path.is_file():
        raise UserError(f'{source}: no such video')
    if path is not None and log.is_done(name, path, ['overlay'], [out]):
        return
    if out.exists() and not log.is_listed(name):
        raise UserError(f'{out} exists and was not written by scaseg: it is kept; name another folder')
    pixels: Counter[str] = Counter()
    with _reader(source) as video, progress_bar() as progress:
        rate = video.get(cv2.CAP_PROP_FPS) or 25.0
        expected = int(video.get(cv2.CAP_PROP_FRAME_COUNT))
        task = progress.add_task(name, total=expected if expected > 0 else None)
        count = 0
        for result in _results(predictor, video, batch_size, is_camera, out, rate):
            pixels.update(result.pixels)
            count += 1
            progress.advance(task)
    if not count:
        raise UserError(f'{source}: no frame of this video can be read')
    height, width = result.labels.shape
    log.add(
        name, path, ['overlay'], height=height, width=width, frames=count, rate=rate, confidence=None, pixels=pixels
    )


def _results(
    predictor: Predictor, video: cv2.VideoCapture, batch_size: int | None, is_camera: bool, out: Path, rate: float
) -> Iterator[Result]:
    """Results of all frames, each of them written when it is given; the file takes its name once it is whole."""
    incoming = out.with_name(f'.{out.name}.part.mp4')
    writer = None
    try:
        for _, result in predictor.stream(_frames(video), batch_size, confidence=False):
            assert isinstance(result, Result)  # a frame is an array and cannot be damaged
            frame = _even(_painted(result))
            if writer is None:
                writer = _writer(incoming, rate, frame)
            writer.write(np.ascontiguousarray(frame[..., ::-1]))
            yield result
    except KeyboardInterrupt:
        if not is_camera:
            raise
    finally:
        if writer is not None:
            writer.release()
    if writer is not None:
        incoming.replace(out)


def _frames(video: cv2.VideoCapture) -> Iterator[Picture]:
    index = 0
    while True:
        found, frame = video.read()
        if not found:
            return
        yield Picture(f'frame_{index:06d}', array=np.ascontiguousarray(frame[..., ::-1]))
        index += 1


def _painted(result: Result) -> np.ndarray:
    picture = overlay(result.image, result.labels, result.palette)
    if len(result.classes) > MOST_NAMES:
        return picture
    return add_legend(picture, list(zip(result.palette, result.classes, strict=True)))


def _even(frame: np.ndarray) -> np.ndarray:
    """Video codecs want even sides: repeat the last row and column where there is an odd one."""
    height, width = frame.shape[:2]
    return np.pad(frame, ((0, height % 2), (0, width % 2), (0, 0)), mode='edge')


def _writer(path: Path, rate: float, frame: np.ndarray) -> cv2.VideoWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    writer = cv2.VideoWriter(str(path), cv2.VideoWriter.fourcc(*'mp4v'), rate, frame.shape[1::-1])
    if not writer.isOpened():
        raise UserError(f'{path} cannot be written as a video')
    return writer


@contextmanager
def _reader(source: str) -> Iterator[cv2.VideoCapture]:
    video = cv2.VideoCapture(int(source) if source.isdecimal() else source)
    try:
        if not video.isOpened():
            kind = 'camera' if source.isdecimal() else 'video'
            raise UserError(f'{source}: this {kind} cannot be opened')
        yield video
    finally:
        video.release()
