"""Wrong label files, caught where they are read and named."""

import numpy as np
from mmcv.transforms import BaseTransform
from mmseg.registry import TRANSFORMS

from scaseg.errors import UserError

SHOWN = 10  # ids in a message


@TRANSFORMS.register_module()
class CheckLabels(BaseTransform):
    """Pass a sample through if its label map can be trained on, stop with a clear error otherwise.

    It stands directly after ``LoadAnnotations``, in training and in test pipelines. Label ids beyond the number of
    classes otherwise end as a device-side assertion of a GPU, far from the file that holds them, or as an IoU of 0.

    A sample without a label map passes: inference takes the loader of labels out of a pipeline and leaves this step.

    Required keys: ``gt_seg_map`` (H, W) of any integer type, ``ori_shape``, ``img_path``, ``seg_map_path``,
    ``reduce_zero_label``. No key is changed.

    Args:
        num_classes: number of classes K; legal ids are 0..K-1 after ``reduce_zero_label``.
        ignore_index: the id of pixels that count nowhere, always legal. A map that holds nothing else passes.

    Raises:
        UserError: ``ignore_index`` is the id of a class; the label has several channels, not the size of its image as
            read from file, or other ids.
    """

    def __init__(self, num_classes: int, ignore_index: int = 255) -> None:
        if 0 <= ignore_index < num_classes:
            raise UserError(
                f'CheckLabels: ignore_index={ignore_index} is the id of a class, too (num_classes={num_classes}): '
                'choose another here, as ignore_index of the losses and as seg_pad_val of the data_preprocessor'
            )
        self.num_classes = num_classes
        self.ignore_index = ignore_index

    def transform(self, results: dict) -> dict:
        """Return ``results`` as they came."""
        label = results.get('gt_seg_map')
        if label is None:
            return results
        if label.ndim == 3:
            raise UserError(
                f'{results["seg_map_path"]}: a label has one channel of class ids, this file has {label.shape[2]}: it '
                'is a colour picture. List its colours in a dataset.yaml (tools/data/describe.py proposes one), or '
                'save ids with one channel.'
            )
        if label.shape != tuple(results['ori_shape'][:2]):
            raise UserError(
                f'{results["seg_map_path"]}: the label has {_size(label.shape)}, its image {results["img_path"]} has '
                f'{_size(results["ori_shape"])}. Save both at one size, and keep CheckLabels directly after '
                'LoadAnnotations.'
            )
        stray = ((label >= self.num_classes) & (label != self.ignore_index)) | (label < 0)
        if stray.any():
            raise UserError(self._describe_stray(np.unique(label[stray]).tolist(), results))
        return results

    def _describe_stray(self, ids: list[int], results: dict) -> str:
        if results['reduce_zero_label']:
            remedy = (
                'reduce_zero_label=True has taken 1 off the ids in the file: set it to False on the data set if the '
                'ids of the classes start at 0, correct num_classes otherwise.'
            )
        elif self.num_classes in ids:
            remedy = (
                'If 0 stands for "not labelled" in these files, set reduce_zero_label=True on the data set; if 0 is a '
                'class, num_classes is too small.'
            )
        else:
            remedy = f'Correct num_classes, or write {self.ignore_index} for pixels that belong to no class.'
        named = f'[{", ".join(map(str, ids[:SHOWN]))}{", …" if len(ids) > SHOWN else ""}]'
        return (
            f'{results["seg_map_path"]}: label ids {named} lie outside 0..{self.num_classes - 1} (num_classes='
            f'{self.num_classes}) and are not {self.ignore_index} (ignored). {remedy}'
        )

    def __repr__(self) -> str:
        return f'{type(self).__name__}(num_classes={self.num_classes}, ignore_index={self.ignore_index})'


def _size(shape: tuple[int, ...]) -> str:
    return f'height {shape[0]}, width {shape[1]}'
