"""CamVid, the road scenes of Brostow et al., in the 11-class form of the SegNet tutorial."""

from collections.abc import Sequence
from pathlib import Path

from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from scaseg.errors import UserError

UNLABELLED = 11  # the id that the label files give to pixels of no class
IMAGE_SUFFIXES = ('.png', '.jpg')


@DATASETS.register_module()
class CamVidDataset(BaseSegDataset):
    """CamVid with the 11 classes, folders and label files of the SegNet tutorial.

    Images lie in ``{train,val,test}``, labels of the same stem in ``{train,val,test}annot``. Labels are PNG files with
    one channel, uint8: 0..10 are the classes, 11 ("unlabelled") is read as 255 and so ignored in training and
    evaluation.

    Args:
        img_suffix: suffix of the image files. None takes whichever of ``.png`` and ``.jpg`` the image folder holds.
        seg_map_suffix: suffix of the label files.
        **kwargs: arguments of ``mmseg.datasets.BaseSegDataset``.

    Raises:
        UserError: the image folder is missing, holds no image, or holds images of both suffixes.
    """

    METAINFO = {
        'classes': (
            'Sky',
            'Building',
            'Pole',
            'Road',
            'Pavement',
            'Tree',
            'SignSymbol',
            'Fence',
            'Car',
            'Pedestrian',
            'Bicyclist',
        ),
        'palette': [
            [128, 128, 128],
            [128, 0, 0],
            [192, 192, 128],
            [128, 64, 128],
            [60, 40, 222],
            [128, 128, 0],
            [192, 128, 128],
            [64, 64, 128],
            [64, 0, 128],
            [64, 64, 0],
            [0, 128, 192],
        ],
    }

    img_suffix: str | None

    def __init__(self, img_suffix: str | None = None, seg_map_suffix: str = '.png', **kwargs) -> None:
        super().__init__(img_suffix=img_suffix, seg_map_suffix=seg_map_suffix, **kwargs)

    @classmethod
    def get_label_map(cls, new_classes: Sequence[str] | None = None) -> dict[int, int]:
        """Ids in the label files → ids of training: mmseg's map for a subset of the classes, and 11 → 255."""
        return {**(super().get_label_map(new_classes) or {}), UNLABELLED: 255}

    def load_data_list(self) -> list[dict]:
        """List the images and their labels, after settling the suffix of the images."""
        if self.img_suffix is None:
            self.img_suffix = find_image_suffix(Path(self.data_prefix['img_path']))
        return super().load_data_list()


def find_image_suffix(folder: Path) -> str:
    """The one of ``IMAGE_SUFFIXES`` that the files in ``folder`` carry.

    Raises:
        UserError: the folder is missing, or not exactly one of the suffixes occurs in it.
    """
    if not folder.is_dir():
        raise UserError(f'CamVid: there is no folder {folder}. docs/datasets.md says where the data comes from.')
    found = [suffix for suffix in IMAGE_SUFFIXES if any(folder.glob(f'*{suffix}'))]
    if not found:
        raise UserError(f'CamVid: {folder} holds no images: neither .png nor .jpg files. See docs/datasets.md.')
    if len(found) > 1:
        raise UserError(
            f'CamVid: {folder} holds both .png and .jpg files. Leave one kind there, or set img_suffix in the config.'
        )
    return found[0]
