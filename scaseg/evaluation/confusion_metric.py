"""Semantic segmentation figures from one integer confusion matrix.

mmseg's ``IoUMetric`` keeps four float histograms of every image and gathers them over the ranks. The figures are sums
over all images, so one matrix of K x K pixel counts holds all there is to know: it is exact, costs the same for 10 or
100 000 images, and is summed over the ranks in one step.
"""

from collections import Counter
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.dist import all_gather_object, all_reduce, is_main_process
from mmengine.evaluator import BaseMetric
from mmengine.logging import MMLogger
from mmseg.registry import METRICS
from prettytable import PrettyTable
from torch import Tensor

from scaseg.errors import UserError
from scaseg.visualization import check_replaceable, draw_confusion

from .boundary import boundary_counts
from .figures import ClassFigures, class_figures, confusion_matrix, mean_figures
from .files import check_matrix_replaceable, make_folder, output_name, save_labels, save_matrix
from .image_matrices import ImageCounts, image_counts, save_image_matrices


@METRICS.register_module()
class ConfusionMetric(BaseMetric):
    """Semantic segmentation figures over a data set, in percent and unrounded: mIoU, mAcc, aAcc, fwIoU, mDice.

    Classes that are not in the truth are named in the log and are in no mean.

    The matrix is accumulated on the device of the predictions and summed over the ranks at the end. Every sample must
    be seen once: use ``sampler=dict(type='DefaultSampler', shuffle=False, round_up=False)``, else ranks with nothing
    left to do repeat samples and the figures depend on the number of GPUs.

    Args:
        ignore_index: label of pixels that do not count.
        class_table: log a table with the IoU, the accuracy, the Dice score and the share of pixels of each class.
        per_class: give the figures ``IoU/<class>`` of the classes in the truth, too.
        boundary: give ``mBoundaryIoU``, too: of the pixels at most this share of the image's diagonal away from a
            contour (the paper's code takes 0.02). It is computed on the CPU.
        matrix_dir: folder for ``confusion.csv``, the matrix, and ``confusion.png``, a picture of it; each evaluation
            replaces them.
        image_matrices: file (npz) for the matrix of each image, compressed; each evaluation replaces it. See
            ``load_image_matrices``.
        output_dir: folder for the predictions as PNG label maps named as their images, in sub-folders as theirs.
            None saves nothing.
        label_ids: id of each class in these PNG; None keeps the ids of the training, with 1 added where the data set
            says ``reduce_zero_label`` (the form that the ADE20K server takes).
        palette: save them with the colours of the data set, as indexed PNG (the form that the VOC server takes).
        format_only: save the predictions without evaluating them: for test images without labels.
        prefix: put before the names of the figures, as in ``prefix/mIoU``.

    Raises:
        UserError: ``format_only`` without ``output_dir``, a ``boundary`` that is no share, ``label_ids`` that a PNG of
            eight bits cannot hold, or a folder that cannot be made.
    """

    default_prefix = ''  # plain 'mIoU', so that save_best='mIoU' finds it

    def __init__(
        self,
        ignore_index: int = 255,
        class_table: bool = True,
        per_class: bool = False,
        boundary: float | None = None,
        matrix_dir: str | None = None,
        image_matrices: str | None = None,
        output_dir: str | None = None,
        label_ids: Sequence[int] | None = None,
        palette: bool = False,
        format_only: bool = False,
        prefix: str | None = None,
    ) -> None:
        super().__init__(prefix=prefix)
        if format_only and output_dir is None:
            raise UserError('ConfusionMetric: format_only=True saves predictions, so it needs an output_dir.')
        if boundary is not None and not 0 < boundary <= 1:
            raise UserError(f'ConfusionMetric: boundary={boundary}: expected a share of the diagonal, above 0 up to 1')
        if any(not 0 <= label_id <= 255 for label_id in label_ids or ()):
            raise UserError(f'ConfusionMetric: label_ids={list(label_ids or ())}: a PNG label map holds ids 0 to 255')
        self.ignore_index = ignore_index
        self.class_table = class_table
        self.per_class = per_class
        self.boundary = boundary
        self.matrix_dir = make_folder(matrix_dir, 'matrix_dir of ConfusionMetric')
        if self.matrix_dir is not None:
            check_matrix_replaceable(self.matrix_dir / 'confusion.csv')
            check_replaceable(self.matrix_dir / 'confusion.png')
        make_folder(image_matrices and Path(image_matrices).parent, 'image_matrices of ConfusionMetric')
        self.image_matrices = image_matrices
        self.label_ids = label_ids
        self.palette = palette
        self.output_dir = make_folder(output_dir, 'output_dir of ConfusionMetric')
        self.format_only = format_only
        self.image_roots: Sequence[Path] = ()  # set by who builds the run; sub-folders below them are kept
        self._reset()

    def _reset(self) -> None:
        self._matrix: Tensor | None = None
        self._boundary_counts: Tensor | None = None
        self._num_samples = 0
        self._saved: set[Path] = set()
        self._image_counts: list[ImageCounts] = []

    @property
    def figure_names(self) -> list[str]:
        """Names of the figures of all classes together; with ``per_class`` there are those of the classes, too."""
        names = ['mIoU', 'mAcc', 'aAcc', 'fwIoU', 'mDice', *(['mBoundaryIoU'] if self.boundary is not None else [])]
        return [f'{self.prefix}/{name}' if self.prefix else name for name in names]

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
                colours = self.dataset_meta['palette'] if self.palette else None
                path = self.output_dir / output_name(sample['img_path'], self.image_roots)
                if path in self._saved:
                    raise UserError(
                        f'{path}: two images of the data set have this name, one would overwrite the other'
                    )
                save_labels(prediction, sample, path, self._class_names, self.label_ids, colours)
                self._saved.add(path)
            self._num_samples += 1

    def _count(self, prediction: Tensor, sample: dict) -> None:
        label = sample['gt_sem_seg']['data'].squeeze(0)
        source = sample.get('seg_map_path', 'a sample')
        if prediction.shape != label.shape:
            raise UserError(
                f'{source}: the prediction is {tuple(prediction.shape)}, the label {tuple(label.shape)} (H, W). '
                'Predictions come back at the size of the image file: LoadAnnotations must stand after every resize '
                'and flip of the test pipeline.'
            )
        try:
            matrix = confusion_matrix(prediction, label, len(self._class_names), self.ignore_index)
        except UserError as error:
            raise UserError(f'{source}: {error}') from error
        self._matrix = matrix if self._matrix is None else self._matrix + matrix
        if self.image_matrices is not None:
            self._image_counts.append(image_counts(sample['img_path'], matrix))
        if self.boundary is not None:
            counts = boundary_counts(prediction, label, len(self._class_names), self.boundary, self.ignore_index)
            self._boundary_counts = counts if self._boundary_counts is None else self._boundary_counts + counts

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
        boundary = torch.zeros(2, num_classes, dtype=torch.int64)
        boundary = boundary if self._boundary_counts is None else self._boundary_counts
        num_samples = torch.tensor(self._num_samples)
        for counts in (matrix, boundary, num_samples):
            all_reduce(counts)
        saved = [path for paths in all_gather_object(sorted(self._saved)) for path in paths]
        of_images = [one for many in all_gather_object(self._image_counts) for one in many]
        self._reset()
        _check_num_samples(int(num_samples), size)
        if len(saved) > len(set(saved)):  # of several processes
            raise UserError(f'{_twice(saved)}: two images of the data set have this name, one overwrote the other')
        if self.format_only:
            MMLogger.get_current_instance().info(f'Predictions are saved in {self.output_dir}')
            return {}
        if self.image_matrices is not None and is_main_process():
            save_image_matrices(of_images, self._class_names, Path(self.image_matrices))
        metrics = self.compute_metrics([matrix.cpu(), boundary])
        return {f'{self.prefix}/{name}': value for name, value in metrics.items()} if self.prefix else metrics

    def compute_metrics(self, results: list[Tensor]) -> dict[str, float]:
        """Figures, table and files of the matrix (K, K) and the boundary's intersections and unions (2, K)."""
        matrix, (intersection, union) = results
        if matrix.sum() == 0:
            raise UserError(
                f'No pixel to evaluate: every label is {self.ignore_index} (ignore_index). Check the label files, '
                'reduce_zero_label and ignore_index.'
            )
        figures = class_figures(matrix)
        in_truth = figures.share > 0
        metrics = mean_figures(matrix)
        if self.boundary is not None:
            metrics['mBoundaryIoU'] = 100 * (intersection.double() / union)[in_truth].mean().item()
        if self.per_class:
            named = zip(self._class_names, figures.iou.tolist(), in_truth, strict=True)
            metrics |= {f'IoU/{name}': 100 * iou for name, iou, is_there in named if is_there}
        if self.class_table:
            table = _class_table(figures, self._class_names)
            absent = _absent_classes(matrix, self._class_names)
            MMLogger.get_current_instance().info(f'Figures of each class, in percent:\n{table}{absent}')
        if self.matrix_dir is not None and is_main_process():
            save_matrix(matrix, self._class_names, self.matrix_dir / 'confusion.csv')
            draw_confusion(matrix.numpy(), self._class_names, self.matrix_dir / 'confusion.png')
        return metrics


def _twice(paths: Sequence[Path]) -> Path:
    return next(path for path, count in Counter(paths).items() if count > 1)


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
    """Two decimals; a class that is not in the truth is marked absent."""
    table = PrettyTable(field_names=['class', 'IoU', 'Acc', 'Dice', 'share of pixels'], align='r')
    table.align['class'] = 'l'
    for name, *row in zip(class_names, *(100 * figure for figure in figures), strict=True):
        table.add_row([name, *(f'{value:.2f}'.replace('nan', 'absent') for value in row)])
    return table


def _absent_classes(matrix: Tensor, class_names: Sequence[str]) -> str:
    """A line that names the classes which are not in the truth, nothing if all are."""
    absent = [
        f'{name} (predicted for {predicted} pixels)' if predicted else name
        for name, true, predicted in zip(class_names, matrix.sum(1).tolist(), matrix.sum(0).tolist(), strict=True)
        if not true
    ]
    return f'\nNot in the truth, in no mean: {", ".join(absent)}' if absent else ''
