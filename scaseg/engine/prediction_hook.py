"""Pictures of predictions, made while a test runs."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import cv2
import mmcv
import numpy as np
from mmengine.dist import all_gather_object
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.structures import SegDataSample
from torch import Tensor

from scaseg.datasets.bands import as_picture, decode_bands
from scaseg.evaluation.files import image_roots, output_name
from scaseg.visualization import Panel, add_legend, area_entries, draw_predictions, overlay, save_picture


class PredictionHook(Hook):
    """Saves predictions painted over their images, with a legend, and one figure of samples from all over a data set.

    Args:
        show_dir: folder for one PNG per image, in sub-folders as the images; ``None`` saves none.
        figure: PNG with image, truth, prediction and errors; ``None`` draws none.
        rows: samples in the figure, spread evenly over the data set; the same ones on however many processes.
    """

    def __init__(self, show_dir: str | Path | None, figure: str | Path | None, rows: int = 6) -> None:
        self.show_dir = None if show_dir is None else Path(show_dir)
        self.figure = None if figure is None else Path(figure)
        self.rows = rows
        self.panels: list[tuple[int, Panel]] = []  # with their places in the data set

    def before_test(self, runner: Runner) -> None:
        """Choose the samples of the figure."""
        self.panels.clear()
        size = len(runner.test_dataloader.dataset)
        self.chosen = set(np.linspace(0, size - 1, min(self.rows, size)).round().astype(int).tolist())
        self.image_roots = image_roots(runner.test_dataloader.dataset)

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Paint the samples of a batch, and keep those of the figure."""
        meta = runner.test_dataloader.dataset.metainfo
        for index, sample in enumerate(outputs):
            # DefaultSampler deals the samples out to the processes in turn
            place = (batch_idx * runner.test_dataloader.batch_size + index) * runner.world_size + runner.rank
            in_figure = self.figure is not None and place in self.chosen
            if self.show_dir is None and not in_figure:
                continue
            panel = _panel(sample, data_batch['inputs'], index, meta.get('picture_bands'))
            if self.show_dir is not None:
                painted = overlay(panel.image, panel.prediction, meta['palette'])
                painted = add_legend(painted, area_entries(panel.prediction, meta['classes'], meta['palette']))
                save_picture(painted, self.show_dir / output_name(sample.img_path, self.image_roots))
            if in_figure:
                self.panels.append((place, panel))

    def after_test(self, runner: Runner) -> None:
        """Draw the figure, from the samples of all processes."""
        if self.figure is None:
            return
        panels = [panel for panels in all_gather_object(self.panels) for panel in panels]
        if runner.rank == 0:
            meta = runner.test_dataloader.dataset.metainfo
            ordered = [panel for _, panel in sorted(panels, key=lambda item: item[0])]
            draw_predictions(ordered, meta['classes'], meta['palette'], self.figure)


def _panel(sample: SegDataSample, inputs: list, index: int, bands: Sequence[int] | None) -> Panel:
    prediction = _labels(sample.pred_sem_seg.data)
    truth = _labels(sample.gt_sem_seg.data) if 'gt_sem_seg' in sample else None
    path = Path(sample.img_path)
    if path.is_file() and bands is not None:
        image = as_picture(decode_bands(path.read_bytes()), bands)
    elif path.is_file():
        image = mmcv.imread(str(path), channel_order='rgb')
    else:  # a data set without files: take the image from the batch, at the size of the prediction
        while not isinstance(inputs[0], Tensor):  # test-time augmentation: the first view
            inputs = inputs[0]
        image = inputs[index].permute(1, 2, 0).cpu().numpy()[..., ::-1]
        image = cv2.resize(np.ascontiguousarray(image), prediction.shape[::-1])
    return Panel(image, truth, prediction, path.stem)


def _labels(data: Tensor) -> np.ndarray:
    return data.squeeze(0).cpu().numpy().astype(np.uint8)
