"""A folder of images and labels as a data set, described by its ``dataset.yaml`` or by what the files hold."""

from pathlib import Path
from typing import Any

from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from scaseg.errors import UserError

from .checked_loaders import with_checked_loaders
from .dataset_yaml import NAME, Description, read_description
from .folder_layout import SHOWN, SPLITS, Matched, match_files
from .propose import propose_description


@DATASETS.register_module()
class FolderDataset(BaseSegDataset):
    """A split of a folder of images and labels, without Python: see docs/own_data.md.

    ``dataset.yaml`` in the folder says what the values in the label files mean; where there is none, it is proposed
    from the files, as ``tools/data/describe.py`` does. Samples carry a ``label_code``, by which ``LoadLabels`` turns
    ids of any depth or RGB colours into class ids 0..K-1 and 255.

    Args:
        data_root: the folder, or its ``dataset.yaml`` under another name.
        split: ``'train'``, ``'val'`` or ``'test'``; a folder without test images gives those of ``val`` for it.
        **kwargs: ``pipeline``, ``indices``, ``test_mode``, ``lazy_init``, ``serialize_data`` and ``max_refetch`` of
            ``mmseg.datasets.BaseSegDataset``.

    Raises:
        UserError: the description or the folder is not as it must be, or an image of ``train`` or ``val`` has no
            label.
    """

    def __init__(self, data_root: str | Path, split: str = 'train', **kwargs: Any) -> None:
        if split not in SPLITS:
            raise UserError(f'FolderDataset: split={split!r}; choose one of {", ".join(SPLITS)}')
        self.description = describe_folder(data_root)
        self.split = split
        self.label_code = self.description.label_code()
        self.has_bands = self.description.bands is not None
        metainfo = self.description.metainfo
        kwargs['pipeline'] = with_checked_loaders(kwargs.get('pipeline', []))  # mmseg's know nothing of a label code
        super().__init__(data_root=str(data_root), metainfo=metainfo, data_prefix={}, img_suffix=None, **kwargs)

    def load_data_list(self) -> list[dict]:
        """List the pairs of the split, and say what is left out."""
        matched = match_split(self.description, self.split)
        return [
            {
                'img_path': str(image),
                **({} if label is None else {'seg_map_path': str(label)}),
                'label_map': None,
                'reduce_zero_label': False,
                'seg_fields': [],
            }
            for image, label in matched.pairs
        ]

    def get_data_info(self, idx: int) -> dict:
        """What mmseg's data sets give, the code of the label file, and whether the image is read as bands."""
        return {**super().get_data_info(idx), 'label_code': self.label_code, 'has_bands': self.has_bands}


def describe_folder(path: str | Path) -> Description:
    """Description of a folder: its ``dataset.yaml``, else what is proposed from its files.

    Raises:
        UserError: there is no such folder, or it cannot be described.
    """
    path = Path(path)
    if path.is_file():
        return read_description(path)
    if not path.is_dir():
        raise UserError(f'{path}: this folder does not exist; it should hold images and labels, see docs/own_data.md')
    if (path / NAME).is_file():
        return read_description(path / NAME)
    proposal = propose_description(path)
    names = ', '.join(entry.name for entry in proposal.description.classes)
    print_log(f'{path}: no {NAME}; {len(proposal.description.classes)} classes taken from the labels: {names}')
    return proposal.description


def match_split(description: Description, split: str) -> Matched:
    """Pairs of a split; what has no counterpart is an error if it is an image, and said if it is a label.

    Raises:
        UserError: the folder has no such split, no image, or an image without a label.
    """
    sources = description.sources
    source = sources.get(split) or (sources.get('val') if split == 'test' else None)
    if source is None:
        raise UserError(f'{description.root}: there are no images for {split}: add "{split}:" to {NAME}')
    matched = match_files(description.root, source, description.image_ending, description.label_ending)
    if matched.images_alone:
        raise UserError(
            f'{split}: {len(matched.images_alone)} images have no label in {description.root / str(source.labels)}: '
            f'{_first_few(matched.images_alone)}. Add the labels, remove the images, or set label_ending in {NAME}'
        )
    if not matched.pairs:
        raise UserError(f'{split}: there are no images in {description.root / source.images}')
    for what, files in (('labels without an image', matched.labels_alone), ('broken links', matched.broken)):
        if files:
            print_log(f'{split}: {len(files)} {what} are left out: {_first_few(files)}')
    return matched


def _first_few(paths: list[Path]) -> str:
    return ', '.join(map(str, paths[:SHOWN])) + (' …' if len(paths) > SHOWN else '')
