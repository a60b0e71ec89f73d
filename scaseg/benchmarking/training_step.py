"""A training step as mmengine's runner takes it, taken apart into phases that are timed one by one."""

import itertools
import statistics
import time
from collections.abc import Iterator

import torch
from mmengine.config import Config
from mmengine.optim import OptimWrapper, build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.models import BaseSegmentor
from mmseg.structures import SegDataSample

from scaseg.apis.checks import check_data
from scaseg.engine import QuietRunner

from .network_calls import build_network
from .timing import synchronize

PHASES = {
    'data': 'a batch as the data loader gives it, then moved to the device, normalised and padded',
    'forward': 'network and loss, the accuracy that is logged included',
    'backward': 'gradients of all parameters',
    'optimiser': 'its step, and the gradients set to none',
}


class TrainingStep:
    """One step of a config's training each time it is called; seconds of each phase gather in ``seconds``.

    Args:
        cfg: the config, with its model, optimiser and keys for speed.
        device: where it is trained.
        from_loader: batches come from the config's training data, loading and augmentation included; else they are
            random images and labels of the crop size made beforehand.
        batch: images of a step; ``None`` is what the config says.

    Raises:
        UserError: the training data are not there.
    """

    def __init__(self, cfg: Config, device: torch.device, from_loader: bool = False, batch: int | None = None) -> None:
        self.device = device
        self.batch: int = batch or cfg.train_dataloader.batch_size
        self.model: BaseSegmentor = build_network(cfg, device, training=True)
        self.optim_wrapper: OptimWrapper = build_optim_wrapper(self.model, cfg.optim_wrapper)
        if from_loader:
            check_data(cfg, ['train_dataloader'])
            loader = QuietRunner.build_dataloader(cfg.train_dataloader | dict(batch_size=self.batch), seed=0)
            self.batches: Iterator[dict] = iter(loader)
        else:
            self.batches = itertools.repeat(_random_batch(self.batch, cfg.crop_size, self.model.num_classes))
        self.seconds: dict[str, list[float]] = {phase: [] for phase in PHASES}

    def __call__(self) -> None:
        start = self._now()
        data = self.model.data_preprocessor(next(self.batches), training=True)
        start = self._finish('data', start)
        with self.optim_wrapper.optim_context(self.model):
            loss, _ = self.model.parse_losses(self.model(**data, mode='loss'))
        start = self._finish('forward', start)
        self.optim_wrapper.backward(loss)
        start = self._finish('backward', start)
        self.optim_wrapper.step()
        self.optim_wrapper.zero_grad()
        self._finish('optimiser', start)

    def medians(self) -> dict[str, float]:
        """Milliseconds of each phase, median over the calls so far."""
        return {phase: 1e3 * statistics.median(seconds) for phase, seconds in self.seconds.items()}

    def _finish(self, phase: str, start: float) -> float:
        now = self._now()
        self.seconds[phase].append(now - start)
        return now

    def _now(self) -> float:
        synchronize(self.device)
        return time.perf_counter()


def _random_batch(batch: int, shape: tuple[int, int], classes: int) -> dict[str, list]:
    """What mmseg's collate function gives for images of one size."""
    images = [torch.randint(0, 256, (3, *shape), dtype=torch.uint8) for _ in range(batch)]
    samples = []
    for _ in range(batch):
        label = PixelData(data=torch.randint(0, classes, (1, *shape)))
        samples.append(SegDataSample(gt_sem_seg=label, metainfo=dict(img_shape=shape)))
    return dict(inputs=images, data_samples=samples)
