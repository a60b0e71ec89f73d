"""Reading images and labels, with errors that name the file."""

from typing import Any

import mmcv
import numpy as np
from mmcv.transforms import LoadImageFromFile
from mmengine import fileio
from mmseg.datasets.transforms import LoadAnnotations
from mmseg.registry import TRANSFORMS

from scaseg.datasets.decoding import LabelFile, decode_image, decode_labels
from scaseg.datasets.label_code import relabel
from scaseg.errors import UserError


@TRANSFORMS.register_module()
class LoadImage(LoadImageFromFile):
    """mmcv's ``LoadImageFromFile``; a file that is missing, damaged or of 16 bits is named. Keys are the same.

    Args:
        allow_damage: take a JPEG whose decoder warns. The pixels that it could not read are grey or shifted.
        reduce_depth: keep the upper 8 bits of an image of 16.
        **kwargs: arguments of ``LoadImageFromFile``. With another ``color_type`` or ``imdecode_backend`` than the
            defaults, that decoder alone decides what is damaged.

    Raises:
        UserError: the image cannot be read without loss.
    """

    def __init__(self, allow_damage: bool = False, reduce_depth: bool = False, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.allow_damage = allow_damage
        self.reduce_depth = reduce_depth

    def transform(self, results: dict) -> dict | None:
        """Read ``results['img_path']`` into ``results['img']``, (H, W, 3) uint8, BGR."""
        path = results['img_path']
        try:
            if self.color_type != 'color' or self.imdecode_backend != 'cv2':
                return super().transform(results)
            image = decode_image(fileio.get(path, backend_args=self.backend_args), self.allow_damage)
        except Exception as error:  # decoders and file systems each have their own
            if self.ignore_empty:
                return None
            raise UserError(_describe('image', path, error)) from error
        if image.dtype != np.uint8:
            image = self._to_8_bits(image, path)
        results['img'] = image.astype(np.float32) if self.to_float32 else image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def _to_8_bits(self, image: np.ndarray, path: str) -> np.ndarray:
        if not (self.reduce_depth and image.dtype == np.uint16):
            raise UserError(
                f'{path}: the image is of type {image.dtype}, and LoadImage gives 8 bits: set reduce_depth=True on it '
                'to keep the upper 8 of 16 bits, or save the image with 8 bits'
            )
        return (image >> 8).astype(np.uint8)


@TRANSFORMS.register_module()
class LoadLabels(LoadAnnotations):
    """mmseg's ``LoadAnnotations`` with ids at full depth; a file that is missing or damaged is named.

    Arguments and keys are the same. With another ``imdecode_backend`` than ``'pillow'``, that decoder alone decides
    what is damaged.

    Raises:
        UserError: the label map cannot be read, an index of its palette has another colour than in a file before it,
            or the data set gives no labels.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._colours: dict[int, tuple[tuple[int, ...], str]] = {}  # of palette indices, and where first seen

    def transform(self, results: dict) -> dict:
        """Read ``results['seg_map_path']`` into ``results['gt_seg_map']``, (H, W) uint8, wider if an id needs it."""
        path = results.get('seg_map_path')
        if path is None:
            raise UserError(
                f'{results.get("img_path")}: this data set has no labels (data_prefix has no seg_map_path): take '
                'LoadAnnotations and CheckLabels out of the pipeline, see docs/datasets.md'
            )
        if self.reduce_zero_label not in (None, results['reduce_zero_label']):
            raise UserError(
                f'LoadLabels has reduce_zero_label={self.reduce_zero_label}, its data set '
                f'{results["reduce_zero_label"]}: set it on the data set alone'
            )
        code = results.get('label_code')  # of a FolderDataset
        try:
            if code is None:
                labels = relabel(self._read(path), results['reduce_zero_label'], results.get('label_map'))
            else:
                content = fileio.get(path, backend_args=self.backend_args)
                labels = code.encode(decode_labels(content, spread=True), path)
        except UserError:
            raise
        except Exception as error:
            raise UserError(_describe('label map', path, error)) from error
        results['gt_seg_map'] = _narrow(labels)
        results['seg_fields'].append('gt_seg_map')
        return results

    def _read(self, path: str) -> np.ndarray:
        content = fileio.get(path, backend_args=self.backend_args)
        if self.imdecode_backend != 'pillow':
            return mmcv.imfrombytes(content, flag='unchanged', backend=self.imdecode_backend)
        file = decode_labels(content)
        if file.palette is not None:
            self._compare_palette(path, file)
        return file.values

    def _compare_palette(self, path: str, file: LabelFile) -> None:
        """An index is an id only if it has one colour in all files; some programs make a palette for each file."""
        assert file.palette is not None
        for index in np.flatnonzero(np.bincount(file.values.ravel())).tolist():
            colour = tuple(file.palette[index].tolist()) if index < len(file.palette) else ()
            known, where = self._colours.setdefault(index, (colour, path))
            if known != colour:
                raise UserError(
                    f'{path}: index {index} of its palette is the colour {colour}, in {where} it is {known}: every '
                    'file has a palette of its own, and its indices are no ids. Save ids with one channel of 8 bits, '
                    'or list the colours in a dataset.yaml, see docs/own_data.md'
                )


def _narrow(labels: np.ndarray) -> np.ndarray:
    """uint8 where every id fits, as mmseg's transforms expect, int32 otherwise, which OpenCV resizes as well."""
    fits = labels.size and labels.min() >= 0 and labels.max() <= np.iinfo(np.uint8).max
    return labels.astype(np.uint8 if fits else np.int32, copy=False)


def _describe(kind: str, path: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()
    return (
        f'{path}: this {kind} cannot be read ({type(error).__name__}: {reason[0] if reason else "no reason given"}); '
        'restore the file, or take it out of the data set'
    )
