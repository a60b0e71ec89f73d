"""mIoU, mAcc and aAcc from one integer confusion matrix.

mmseg's ``IoUMetric`` keeps four float histograms of every image and gathers them over the ranks. The figures are sums
over all images, so one matrix of K x K pixel counts holds all there is to know: it is exact, costs the same for 10 or
100 000 images, and is summed over the ranks in one step.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import torch
from mmengine.dist import all_reduce
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmseg.registry import METRICS
from PIL import Image
from prettytable import PrettyTable
from torch import Tensor

from scaseg.errors import UserError


class ClassFigures(NamedTuple):
    """Figures of each class, (K,) float64 in 0..1. NaN: undefined, left out of every mean."""

    iou: Tensor
    """TP / (TP + FP + FN); NaN for a class found neither in the truth nor in the predictions."""
    acc: Tensor
    """TP / (TP + FN), the recall; NaN for a class that is not in the truth."""
    share: Tensor
    """The class's share of the labelled pixels."""


def confusion_matrix(prediction: Tensor, label: Tensor, num_classes: int, ignore_index: int = 255) -> Tensor:
    """Count the pixels of each pair of true and predicted class.

    Args:
        prediction: class ids, integers of any shape.
        label: class ids of the same shape, or ``ignore_index`` where a pixel does not count.
        num_classes: number of classes K.
        ignore_index: label of the pixels to leave out.

    Returns:
        (K, K) int64 on the device of ``prediction``: row = true class, column = predicted class.

    Raises:
        UserError: an id that counts is K or above.
    """
    label = label.to(prediction.device)
    counted = label != ignore_index
    # int64 before the product: it would not fit the type of a uint8 prediction
    label, prediction = label[counted].long(), prediction[counted].long()
    for name, ids in (('label', label), ('prediction', prediction)):
        if ids.numel() and ids.max() >= num_classes:
            raise UserError(
                f'the {name} holds class id {int(ids.max())}, but the data set has {num_classes} classes: check the '
                'num_classes of the decode head and, with CheckLabels in the test pipeline, the label files.'
            )
    return torch.bincount(label * num_classes + prediction, minlength=num_classes**2).view(num_classes, num_classes)


def class_figures(matrix: Tensor) -> ClassFigures:
    """Figures of each class from a (K, K) confusion matrix of pixel counts (row = true class)."""
    matrix = matrix.double()
    hits, truth, predicted = matrix.diagonal(), matrix.sum(dim=1), matrix.sum(dim=0)
    return ClassFigures(iou=hits / (truth + predicted - hits), acc=hits / truth, share=truth / truth.sum())


def mean_figures(matrix: Tensor) -> dict[str, float]:
    """mIoU, mAcc and aAcc in percent from a (K, K) confusion matrix of pixel counts (row = true class).

    As in mmseg's ``IoUMetric``, a class that occurs neither in the truth nor in the predictions is in no mean; one
    that is predicted but not in the truth counts with an IoU of 0 in mIoU, and not in mAcc.
    """
    figures = class_figures(matrix)
    return {
        'mIoU': 100 * figures.iou.nanmean().item(),
        'mAcc': 100 * figures.acc.nanmean().item(),
        'aAcc': 100 * matrix.diagonal().sum().item() / matrix.sum().item(),
    }


@METRICS.register_module()
class ConfusionMetric(BaseMetric):
    """Semantic segmentation figures over a data set, in percent and unrounded: mIoU, mAcc, aAcc.

    The matrix is accumulated on the device of the predictions and summed over the ranks at the end. Every sample must
    be seen once: use ``sampler=dict(type='DefaultSampler', shuffle=False, round_up=False)``, else ranks with nothing
    left to do repeat samples and the figures depend on the number of GPUs.

    Args:
        ignore_index: label of pixels that do not count.
        class_table: log a table with the IoU, the accuracy and the share of pixels of each class.
        output_dir: folder for the predictions as PNG label maps named as their images, with 1 added to the ids where
            the data set says ``reduce_zero_label`` (the form that the ADE20K server takes). None saves nothing.
        format_only: save the predictions without evaluating them: for test images without labels.
        prefix: put before the names of the figures, as in ``prefix/mIoU``.

    Raises:
        UserError: ``format_only`` without ``output_dir``.
    """

    default_prefix = ''  # plain 'mIoU', so that save_best='mIoU' finds it

    def __init__(
        self,
        ignore_index: int = 255,
        class_table: bool = True,
        output_dir: str | None = None,
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix=prefix)
        if format_only and output_dir is None:
            raise UserError('ConfusionMetric: format_only=True saves predictions, so it needs an output_dir.')
        self.ignore_index = ignore_index
        self.class_table = class_table
        self.output_dir = Path(output_dir) if output_dir is not None else None
        self.format_only = format_only
        self._reset()

    def _reset(self) -> None:
        self._matrix: Tensor | None = None
        self._num_samples = 0
        self._saved: set[Path] = set()

    @property
    def _class_names(self) -> Sequence[str]:
        return self.dataset_meta['classes']

    def process(self, data_batch: object, data_samples: Sequence[dict]) -> None:
        """Count a batch.

        Args:
            data_batch: not used.
            data_samples: ``SegDataSample.to_dict()`` of each image, with class ids (1, H, W) or (H, W) in
                ``pred_sem_seg.data`` and ``gt_sem_seg.data``.

        Raises:
            UserError: prediction and label differ in size, or hold ids that the data set does not have.
        """
        for sample in data_samples:
            prediction = sample['pred_sem_seg']['data'].squeeze(0)
            if not self.format_only:
                self._count(prediction, sample)
            if self.output_dir is not None:
                path = _save_labels(prediction, sample, self.output_dir)
                if path in self._saved:
                    raise UserError(
                        f'{path}: two images of the data set have this name, one would overwrite the other'
                    )
                self._saved.add(path)
            self._num_samples += 1

    def _count(self, prediction: Tensor, sample: dict) -> None:
        label = sample['gt_sem_seg']['data'].squeeze(0)
        source = sample.get('seg_map_path', 'a sample')
        if prediction.shape != label.shape:
            raise UserError(
                f'{source}: the prediction is {tuple(prediction.shape)}, the label {tuple(label.shape)} (H, W). '
                'Predictions come back at the size of the image file: LoadLabels must stand after every resize '
                'and flip of the test pipeline.'
            )
        try:
            matrix = confusion_matrix(prediction, label, len(self._class_names), self.ignore_index)
        except UserError as error:
            raise UserError(f'{source}: {error}') from error
        self._matrix = matrix if self._matrix is None else self._matrix + matrix

    def evaluate(self, size: int) -> dict[str, float]:
        """Sum the matrices of all ranks and compute the figures.

        Args:
            size: number of samples of the data set.

        Returns:
            The figures in percent, the same on every rank; nothing with ``format_only``.

        Raises:
            UserError: not exactly ``size`` samples were seen over all ranks, or no pixel of theirs is labelled.
        """
        num_classes = len(self._class_names)
        # a rank may have seen no sample at all
        matrix = torch.zeros(num_classes, num_classes, dtype=torch.int64) if self._matrix is None else self._matrix
        num_samples = torch.tensor(self._num_samples)
        all_reduce(matrix)
        all_reduce(num_samples)
        self._reset()
        _check_num_samples(int(num_samples), size)
        if self.format_only:
            MMLogger.get_current_instance().info(f'Predictions are saved in {self.output_dir}')
            return {}
        metrics = self.compute_metrics([matrix.cpu()])
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()} if self.prefix else metrics

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Figures, and the table, of the one matrix (K, K) in ``results``."""
        (matrix,) = results
        if matrix.sum() == 0:
            raise UserError(
                f'No pixel to evaluate: every label is {self.ignore_index} (ignore_index). Check the label files, '
                'reduce_zero_label and ignore_index.'
            )
        if self.class_table:
            table = _class_table(class_figures(matrix), self._class_names)
            MMLogger.get_current_instance().info(f'Figures of each class, in percent:\n{table}')
        return mean_figures(matrix)


def _save_labels(prediction: Tensor, sample: dict, folder: Path) -> Path:
    ids = prediction + 1 if sample.get('reduce_zero_label', False) else prediction
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f'{Path(sample["img_path"]).stem}.png'
    Image.fromarray(ids.to(torch.uint8).cpu().numpy()).save(path)
    return path


def _check_num_samples(seen: int, size: int) -> None:
    if seen > size:
        raise UserError(
            f'{seen} samples were evaluated, the data set has {size}: the sampler repeats samples to give every rank '
            'as many. Set round_up=False in the sampler of val_dataloader and test_dataloader.'
        )
    if seen < size:
        raise UserError(
            f'{seen} samples were evaluated, the data set has {size}: let val_dataloader and test_dataloader visit '
            'every sample (DefaultSampler with round_up=False, drop_last=False).'
        )


def _class_table(figures: ClassFigures, class_names: Sequence[str]) -> PrettyTable:
    """Two decimals; a class found neither in the truth nor in the predictions is marked absent."""
    table = PrettyTable(field_names=['class', 'IoU', 'Acc', 'share of pixels'], align='r')
    table.align['class'] = 'l'
    for name, *row in zip(class_names, *(100 * figure for figure in figures), strict=True):
        iou, acc, share = (f'{value:.2f}' for value in row)
        if iou == 'nan':
            iou = acc = 'absent'
        table.add_row([name, iou, acc.replace('nan', '-'), share])
    return table
