"""Reading images and labels, with errors that name the file."""

from mmcv.transforms import LoadImageFromFile
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from scaseg.errors import UserError


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile``; a file that is missing or damaged is named. Arguments and keys are the same.

    Raises:
        UserError: the image cannot be read.
    """

    def transform(self, results: dict) -> dict | None:
        """Read ``results['img_path']`` into ``results['img']``, (H, W, 3) uint8, BGR."""
        try:
            return super().transform(results)
        except Exception as error:  # cv2, PIL and the file system each have their own
            raise UserError(_describe('image', results['img_path'], error)) from error


@TRANSFORMS.register_module()
class LoadLabels(LoadAnnotations):
    """mmseg's ``LoadAnnotations``; a file that is missing or damaged is named. Arguments and keys are the same.

    Raises:
        UserError: the label map cannot be read, or the data set gives no labels.
    """

    def transform(self, results: dict) -> dict:
        """Read ``results['seg_map_path']`` into ``results['gt_seg_map']``, (H, W) uint8."""
        if results.get('seg_map_path') is None:
            raise UserError(
                f'{results.get("img_path")}: this data set has no labels (data_prefix has no seg_map_path): take '
                'LoadLabels and CheckLabels out of the pipeline, see docs/datasets.md'
            )
        try:
            results = super().transform(results)
        except Exception as error:
            raise UserError(_describe('label map', results['seg_map_path'], error)) from error
        labels, shape = results['gt_seg_map'], results['ori_shape'][:2]
        if labels.ndim < 2 and labels.size == shape[0] * shape[1]:  # mmseg squeezes a side of one pixel away
            results['gt_seg_map'] = labels.reshape(shape)
        return results


def _describe(kind: str, path: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()
    return (
        f'{path}: this {kind} cannot be read ({type(error).__name__}: {reason[0] if reason else "no reason given"}); '
        'restore the file, or take it out of the data set'
    )
