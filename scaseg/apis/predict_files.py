"""Prediction of files, as ``tools/predict.py`` does it: pictures, tables, progress, and going on where it stopped."""

import sys
from collections.abc import Sequence
from pathlib import Path

from scaseg.errors import UserError

from .image_sources import Picture, pictures_of
from .model_source import resolve_model
from .predict import Predictor, load_model
from .predict_video import VIDEO_SUFFIXES, predict_video
from .prediction_log import PredictionLog, pending
from .progress_bar import progress_bar


def predict_files(
    model: str | Path,
    checkpoint: str | Path | None,
    sources: Sequence[str],
    out: str | Path,
    pictures: Sequence[str] = ('overlay', 'labels'),
    device: str = 'auto',
    half: bool = False,
    tta: bool = False,
    batch_size: int | None = None,
) -> list[str]:
    """Predict images, folders, patterns, videos and cameras into a folder.

    A folder that holds predictions of the same model is continued: what is there is left out, unless its source has
    changed. Nothing is written over a file of anyone else.

    Args:
        model: see ``load_model``.
        checkpoint: see ``load_model``.
        sources: images, folders, patterns, video files, or the number of a camera.
        out: folder for the pictures, by kind, and for ``areas.csv``, ``areas.json`` and ``predictions.jsonl``.
        pictures: some of ``visualization.PICTURES``; videos get an overlay.
        device: see ``load_model``.
        half: see ``load_model``.
        tta: see ``load_model``.
        batch_size: see ``Predictor.predict``.

    Returns:
        One line for each source that could not be read; the others are predicted.

    Raises:
        UserError: MODEL, a source or the folder is not as it must be. Nothing has been written then.
    """
    out = Path(out)
    weights = resolve_model(model, checkpoint)[1]
    status = weights.stat()
    identity = {'checkpoint': str(weights.resolve()), 'size': status.st_size, 'time': status.st_mtime_ns}
    log = PredictionLog(out, identity | {'tta': tta, 'half': half})
    videos = [source for source in sources if source.isdecimal() or source.lower().endswith(VIDEO_SUFFIXES)]
    images = pictures_of([source for source in sources if source not in videos])
    left = pending(log, images, pictures)
    if len(left) < len(images):
        print(f'{len(images) - len(left)} of {len(images)} images are there already: {out}')
    if not left and not videos:
        return []
    predictor = load_model(model, checkpoint, device=device, half=half, tta=tta)
    failures = _predict_images(predictor, left, log, pictures, batch_size)
    for video in videos:
        try:
            predict_video(predictor, video, log, batch_size)
        except UserError as error:
            failures.append(str(error))
            print(f'error: {error}', file=sys.stderr)
    log.write_tables(predictor.classes)
    return failures


def _predict_images(
    predictor: Predictor, left: Sequence[Picture], log: PredictionLog, kinds: Sequence[str], batch_size: int | None
) -> list[str]:
    failures = []
    with progress_bar() as progress:
        task = progress.add_task('images', total=len(left))
        for picture, result in predictor.stream(left, batch_size):
            if isinstance(result, UserError):
                failures.append(str(result))
                progress.console.print(f'error: {result}', markup=False, highlight=False, soft_wrap=True)
            else:
                result.save(log.folder, kinds)
                height, width = result.labels.shape
                mean = None if result.confidence is None else round(float(result.confidence.mean()), 4)
                about = dict(height=height, width=width, confidence=mean, pixels=result.pixels)
                log.add(picture.name, picture.path, kinds, **about)
            progress.advance(task)
    return failures
