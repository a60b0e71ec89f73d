"""Prediction in Python: ``load_model('work_dirs/run').predict('street.jpg')``."""

import argparse
import colorsys
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch
from mmengine.config import Config, ConfigDict
from mmengine.dataset import Compose, pseudo_collate
from mmengine.model import BaseTTAModel
from mmengine.registry import init_default_scope
from mmseg.models import BaseSegmentor
from mmseg.registry import DATASETS, MODELS
from mmseg.structures import SegDataSample

from scaseg.datasets import with_checked_loaders
from scaseg.engine.network_options import prepare_network
from scaseg.errors import UserError
from scaseg.visualization import Result

from .checkpoint import load_weights, read_checkpoint
from .checks import leaf_datasets
from .cli import torch_device
from .image_sources import Picture, is_single, pictures_of
from .inference_pipeline import without_labels
from .model_source import resolve_model
from .test import use_tta

LARGEST_INPUT = 2048 * 2048  # pixels of a network's input; larger ones are seen through windows
WINDOW, STRIDE = 1024, 768  # of the input, pixels
BATCH_ON_GPU = 8


def load_model(
    model: str | Path,
    checkpoint: str | Path | None = None,
    device: str | torch.device = 'auto',
    half: bool = False,
    tta: bool = False,
    options: dict[str, Any] | None = None,
) -> 'Predictor':
    """Load a trained model to predict with.

    Args:
        model: a run's folder (its best checkpoint, else the latest, and the config stored there), an exported model's
            folder, or a config file.
        checkpoint: file with the weights; needed beside a config file.
        device: ``'auto'`` is a GPU if there is one, else the CPU; or ``'cpu'``, ``'cuda'``, ``'cuda:1'``.
        half: compute in half precision, on a GPU.
        tta: average over the scales and flips of the config's ``tta_pipeline``.
        options: changes to the config, by dotted key.

    Raises:
        UserError: config, checkpoint or device is not as it must be.
    """
    cfg, weights = resolve_model(model, checkpoint, options)
    where = torch.device('cuda' if torch.cuda.is_available() else 'cpu') if device == 'auto' else _device(device)
    if half and where.type != 'cuda':
        raise UserError(f'half precision needs a GPU, and the device is {where}: leave half out')
    if tta:
        use_tta(cfg)
    pipeline = _pipeline(cfg)
    model_cfg = cfg.model.module if tta else cfg.model
    model_cfg.pretrained = None  # the checkpoint holds the encoder
    try:
        network = MODELS.build(cfg.model)
    except (TypeError, ValueError, KeyError, AssertionError) as error:
        raise UserError(f'{cfg.filename}: the model cannot be built: {type(error).__name__}: {error}') from error
    segmentor = network.module if isinstance(network, BaseTTAModel) else network
    load_weights(segmentor, weights)
    classes, palette = _classes(cfg, read_checkpoint(weights), segmentor.num_classes)
    network.to(where).eval()
    prepare_network(segmentor, {**cfg, 'compile': None}, training=False)
    return Predictor(network, pipeline, classes, palette, where, half)


class Predictor:
    """A trained network with the test pipeline of its config; ``load_model`` makes one.

    Labels are those of ``tools/test.py``, and of ``mmseg.apis.inference_model`` for mmseg's own models. Two things
    depart: inputs of more than 4.2 megapixels are seen through windows, and batches of several images round otherwise
    than single ones.

    Attributes:
        network: the segmentor, or the model of test-time augmentation around it.
        classes: names of the classes.
        palette: RGB colour 0..255 of each class.
        device: where it computes.
    """

    def __init__(
        self,
        network: BaseSegmentor | BaseTTAModel,
        pipeline: Sequence[dict],
        classes: tuple[str, ...],
        palette: Sequence[Sequence[int]],
        device: torch.device,
        half: bool = False,
    ) -> None:
        self.network = network
        self.segmentor: BaseSegmentor = network.module if isinstance(network, BaseTTAModel) else network
        self.classes = classes
        self.palette = palette
        self.device = device
        self.half = half
        self._load_file = Compose([with_checked_loaders(pipeline[0])])
        self._load_array = Compose([dict(type='LoadImageFromNDArray')])
        self._prepare = Compose(list(pipeline[1:]))

    def predict(self, source: Any, batch_size: int | None = None, confidence: bool = True) -> Any:
        """Label every pixel of one or many pictures: a ``Result``, or a list of them for a collection.

        Args:
            source: see ``image_sources.pictures_of``: a path, an RGB array, a PIL image or an RGB tensor; or a list, a
                stack, a folder or a pattern.
            batch_size: pictures of equal size that are put together; ``None`` is 1 on a CPU and 8 on a GPU.
            confidence: compute the probability of each label as well.

        Returns:
            One result for one picture, a list for a collection, all in memory; ``stream`` gives them one by one.

        Raises:
            UserError: there is no picture, or one cannot be read.
        """
        pictures = pictures_of(source)
        results: dict[str, Result] = {}
        for picture, result in self.stream(pictures, batch_size, confidence):
            if isinstance(result, UserError):
                raise result
            results[picture.name] = result
        return results[pictures[0].name] if is_single(source) else [results[picture.name] for picture in pictures]

    def stream(
        self, pictures: Iterable[Picture], batch_size: int | None = None, confidence: bool = True
    ) -> Iterator[tuple[Picture, Result | UserError]]:
        """Results as they come; a picture that cannot be read gives its error, and the rest goes on.

        Pictures whose inputs are of equal size wait for each other until a batch is full, four batches at most.
        """
        most = batch_size or (BATCH_ON_GPU if self.device.type == 'cuda' else 1)
        waiting: dict[Any, list[tuple[Picture, np.ndarray, dict]]] = {}
        for picture in pictures:
            try:
                image, sample = self._read(picture)
            except UserError as error:
                yield picture, error
                continue
            waiting.setdefault(_input_sizes(sample), []).append((picture, image, sample))
            if sum(map(len, waiting.values())) >= 4 * most or max(map(len, waiting.values())) >= most:
                yield from self._run(waiting.pop(max(waiting, key=lambda key: len(waiting[key]))), confidence)
        for group in waiting.values():
            for start in range(0, len(group), most):
                yield from self._run(group[start : start + most], confidence)

    def _read(self, picture: Picture) -> tuple[np.ndarray, dict]:
        """The picture for display, and the network's input."""
        if picture.array is None:
            loaded = self._load_file(dict(img_path=str(picture.path), seg_fields=[], reduce_zero_label=False))
        else:
            loaded = self._load_array(dict(img=np.ascontiguousarray(picture.array[..., ::-1])))
        if loaded is None:
            raise UserError(f'{picture.path}: this image cannot be read')
        image = _displayed(loaded['img'])
        bands = len(self.segmentor.data_preprocessor.mean) if self._normalises else 3
        if (loaded['img'].shape[2] if loaded['img'].ndim == 3 else 1) != bands:
            raise UserError(
                f'{picture.path or picture.name}: {loaded["img"].shape[-1]} bands, the model takes {bands}'
            )
        try:
            return image, self._prepare(loaded)
        except (ValueError, AssertionError, cv2.error) as error:
            raise UserError(f'{picture.path or picture.name}: the test pipeline fails on it ({error})') from error

    @property
    def _normalises(self) -> bool:
        return hasattr(self.segmentor.data_preprocessor, 'mean')

    def _run(
        self, group: Sequence[tuple[Picture, np.ndarray, dict]], confidence: bool
    ) -> Iterator[tuple[Picture, Result]]:
        batch = pseudo_collate([sample for _, _, sample in group])
        largest = max(height * width for height, width in _input_sizes(group[0][2]))
        precision = torch.autocast('cuda', torch.float16) if self.half else nullcontext()
        init_default_scope('mmseg')
        with torch.no_grad(), precision, self._test_cfg(confidence, windows=largest > LARGEST_INPUT):
            samples = self.network.test_step(batch)
        for (picture, image, _), sample in zip(group, samples, strict=True):
            labels = sample.pred_sem_seg.data[0].cpu().numpy()
            yield (
                picture,
                Result(
                    image=image,
                    labels=labels.astype(np.uint8 if len(self.classes) <= 256 else np.uint16),
                    classes=self.classes,
                    palette=self.palette,
                    confidence=_confidence(sample, self.network is self.segmentor) if confidence else None,
                    name=picture.name,
                    source=picture.path,
                ),
            )

    @contextmanager
    def _test_cfg(self, confidence: bool, windows: bool) -> Iterator[None]:
        """The segmentor's ``test_cfg`` with what this prediction needs besides."""
        kept = self.segmentor.test_cfg
        changed = ConfigDict(kept or {}, confidence=confidence)
        if windows and changed.get('mode', 'whole') == 'whole':
            changed.update(mode='slide', crop_size=(WINDOW, WINDOW), stride=(STRIDE, STRIDE))
        self.segmentor.test_cfg = changed
        try:
            yield
        finally:
            self.segmentor.test_cfg = kept


def _device(name: str | torch.device) -> torch.device:
    try:
        return torch_device(str(name))
    except argparse.ArgumentTypeError as error:
        raise UserError(f'device {error}') from None


def _pipeline(cfg: Config) -> list[dict]:
    """The steps of a test that a picture without labels goes through, its loader first."""
    loader = cfg.get('test_dataloader')
    dataset = next(leaf_datasets('', loader.dataset))[1] if loader else {}
    steps = without_labels(dataset.get('pipeline') or cfg.get('test_pipeline') or [])
    if not steps:
        raise UserError(f'{cfg.filename}: no test_dataloader.dataset.pipeline and no test_pipeline: predict needs one')
    if not str(steps[0]['type']).startswith('Load'):
        raise UserError(
            f'{cfg.filename}: the test pipeline begins with {steps[0]["type"]}, not with a loader of images'
        )
    return steps


def _classes(cfg: Config, checkpoint: dict, count: int) -> tuple[tuple[str, ...], list[list[int]]]:
    """Names and colours of the classes: as the checkpoint says, else as the config's data set does."""
    meta = dict((checkpoint.get('meta') or {}).get('dataset_meta') or {})
    loader = cfg.get('test_dataloader')
    if not meta.get('classes') and loader:
        dataset = next(leaf_datasets('', loader.dataset))[1]
        kind = dataset['type'] if isinstance(dataset['type'], type) else DATASETS.get(dataset['type'])
        meta = {**getattr(kind, 'METAINFO', {}), **(dataset.get('metainfo') or {})}
    count = max(count, 2)  # one output tells two classes apart
    names = meta.get('classes')
    classes = tuple(names) if names and len(names) == count else tuple(f'class {index}' for index in range(count))
    palette = meta.get('palette')
    if not palette or len(palette) != count:
        palette = [_distinct_colour(index) for index in range(count)]
    return classes, [list(map(int, colour)) for colour in palette]


def _distinct_colour(index: int) -> list[int]:
    """Colours of a data set that names none: hues a golden section apart."""
    return [
        round(255 * value) for value in colorsys.hsv_to_rgb(index * 0.618 % 1, 0.75, 0.95 - 0.25 * (index % 3) / 2)
    ]


def _displayed(image: np.ndarray) -> np.ndarray:
    """(H, W, 3) uint8 RGB of what a loader gives: BGR, one band, or many, of which the first three are shown."""
    image = image.reshape(*image.shape[:2], -1)
    if image.shape[2] != 3:
        image = np.repeat(image[..., :1], 3, axis=2) if image.shape[2] < 3 else image[..., :3]
    if image.dtype != np.uint8:
        low, high = float(image.min()), float(image.max())
        is_8_bits = low >= 0 and high <= 255
        image = (image if is_8_bits else 255 * (image - low) / max(high - low, 1e-12)).astype(np.uint8)
    return np.ascontiguousarray(image[..., ::-1])


def _input_sizes(sample: dict) -> tuple[tuple[int, int], ...]:
    """(H, W) of the network's input, or of each view of test-time augmentation."""
    views = sample['inputs'] if isinstance(sample['inputs'], list) else [sample['inputs']]
    return tuple((view.shape[-2], view.shape[-1]) for view in views)


def _confidence(sample: SegDataSample, one_view: bool) -> np.ndarray | None:
    """The probability of each label; ``None`` from mmseg's ``SegTTAModel``, which keeps the scores of one view."""
    if 'confidence' in sample:
        return sample.confidence.data[0].cpu().numpy()
    if 'seg_logits' not in sample or not one_view:
        return None
    logits = sample.seg_logits.data.float()
    if len(logits) > 1:
        return logits.softmax(dim=0).amax(dim=0).cpu().numpy()
    probability = logits[0].sigmoid()
    return torch.maximum(probability, 1 - probability).cpu().numpy()
