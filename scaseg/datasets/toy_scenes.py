"""ToyScenes: a segmentation data set that needs no files and cannot be solved by looking closely."""

from collections.abc import Callable, Sequence

import numpy as np
from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from scaseg.datasets.checked_loaders import FILE_LOADERS
from scaseg.datasets.toy_scene_painter import CLASSES, PALETTE, paint_scene
from scaseg.errors import UserError

SPLITS = ('train', 'val', 'test')
SMALLEST_SIDE = 32


@DATASETS.register_module()
class ToyScenes(BaseSegDataset):
    """Streets painted on the fly, with ten classes and pixels to be ignored (255) along borders.

    The class of every car hangs on the traffic signal, at least 0.4 H away, and on nothing else: cars wait under a red
    signal and move under a green one, and look the same. Either is the case in half of the scenes, so a network whose
    receptive field does not reach the signal can only guess, for a mean IoU of 1/3 or less in these two classes;
    see ``toy_scene_painter``.

    A scene follows from ``(split, seed, index)``, whatever the worker and the order of access. Splits and seeds have
    no scene in common. Scenes may change with numpy's major versions, which may change its random streams.

    Images and labels enter the pipeline as if loaded. Its loaders of files are left out: they are there for pictures
    that a trained network is shown, which the same pipeline then takes. ``img_path`` and
    ``seg_map_path`` are names such as ``toyscenes/val/00012.png`` without a file behind them.

    Args:
        split: 'train', 'val' or 'test'.
        size: Number of scenes in the split.
        image_size: Height and width in pixels, at least 32 each.
        seed: Not negative; another seed gives other scenes.
        metainfo: As in ``BaseSegDataset``; with a selection of ``classes``, the pixels of the others become 255.
        indices: As in ``BaseDataset``: take only the first so many scenes, or the scenes of these numbers.
        pipeline: Transforms. They receive ``img``, (H, W, 3) uint8 in BGR order, ``gt_seg_map``, (H, W) uint8,
            ``img_shape``, ``ori_shape``, ``seg_fields`` and what mmseg's data sets give besides.
        test_mode: As in ``BaseDataset``.
        lazy_init: As in ``BaseDataset``.

    Raises:
        UserError: If ``split``, ``size``, ``image_size`` or ``seed`` is not as described.
    """

    METAINFO = {'classes': CLASSES, 'palette': PALETTE}

    def __init__(
        self,
        split: str,
        size: int,
        image_size: tuple[int, int] = (128, 128),
        seed: int = 0,
        metainfo: dict | Config | None = None,
        indices: int | Sequence[int] | None = None,
        pipeline: Sequence[dict | Callable] = (),
        test_mode: bool = False,
        lazy_init: bool = False,
    ) -> None:
        if split not in SPLITS:
            raise UserError(f'ToyScenes: split={split!r}; choose one of {", ".join(SPLITS)}')
        if not is_integer(size) or size < 1:
            raise UserError(f'ToyScenes: size={size!r}; give the number of scenes, at least 1')
        if not is_image_size(image_size):
            raise UserError(
                f'ToyScenes: image_size={image_size!r}; give (height, width) in pixels, at least {SMALLEST_SIDE} each'
            )
        if not is_integer(seed) or seed < 0:
            raise UserError(f'ToyScenes: seed={seed!r}; give an integer that is not negative')
        self.split = split
        self.size = size
        self.image_size = (image_size[0], image_size[1])
        self.seed = seed
        painted = [step for step in pipeline if not (isinstance(step, dict) and step.get('type') in FILE_LOADERS)]
        super().__init__(
            metainfo=metainfo, indices=indices, pipeline=painted, test_mode=test_mode, lazy_init=lazy_init
        )

    def load_data_list(self) -> list[dict]:
        """Names the scenes; they are painted when asked for."""
        return [
            {
                'scene': number,
                'img_path': f'toyscenes/{self.split}/{number:05d}.png',
                'seg_map_path': f'toyscenes/{self.split}/{number:05d}_labels.png',
                'label_map': self.label_map,
                'reduce_zero_label': False,
            }
            for number in range(self.size)
        ]

    def prepare_data(self, idx: int) -> dict | None:
        """Paints a scene and passes it through the pipeline."""
        results = self.get_data_info(idx)
        image, labels = self.paint(results['scene'])
        results.update(
            img=image,
            img_shape=self.image_size,
            ori_shape=self.image_size,
            gt_seg_map=labels,
            seg_fields=['gt_seg_map'],
        )
        return self.pipeline(results)

    def paint(self, number: int) -> tuple[np.ndarray, np.ndarray]:
        """Image and label map of the scene of this number, with the labels of the selected classes."""
        rng = np.random.default_rng(np.random.SeedSequence(self.seed, spawn_key=(SPLITS.index(self.split), number)))
        image, labels = paint_scene(rng, self.image_size, stop=rng.random() < 0.5)
        if self.label_map is not None:
            relabel = np.arange(256, dtype=np.uint8)
            relabel[list(self.label_map)] = list(self.label_map.values())
            labels = relabel[labels]
        return image, labels


def is_integer(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def is_image_size(value: object) -> bool:
    return (
        isinstance(value, Sequence)
        and len(value) == 2
        and all(is_integer(side) and side >= SMALLEST_SIDE for side in value)
    )
