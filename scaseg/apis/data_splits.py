"""The splits of a config or a folder, whose files are to be read and checked."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from scaseg.datasets import FolderDataset
from scaseg.datasets.file_listing import describe_left_out, list_files
from scaseg.datasets.folder import describe_folder, match_split
from scaseg.datasets.inspection import SampleFacts, SplitFacts, inspect_sample
from scaseg.errors import UserError

from .checks import is_local, leaf_datasets

SPLITS = {'train_dataloader': 'train', 'val_dataloader': 'val'}


@dataclass
class Split:
    """The samples of a split, before their files are read."""

    facts: SplitFacts
    infos: list[dict[str, Any]]
    palette: list[list[int]]
    allow_damage: bool = False

    def read(self, count: int | None = None) -> Iterator[Callable[[], SampleFacts]]:
        """A call for each sample that reads it; with ``count`` for as many, drawn by a fixed seed."""
        infos = self.infos
        if count is not None and count < len(infos):
            infos, self.facts.complete = random.Random(0).sample(infos, count), False
        for info in infos:
            yield partial(inspect_sample, info, len(self.facts.classes), self.allow_damage)


def open_splits(cfg: Config) -> list[Split]:
    """The splits of a config whose data sets read files of this machine; ``check_data`` comes before it."""
    splits = []
    for loader in SPLITS:
        if cfg.get(loader) is None:
            continue
        parts = [leaf for _, leaf in leaf_datasets(loader, cfg[loader].dataset) if is_local(leaf)]
        if parts:
            splits.append(_join(SPLITS[loader], [_open(SPLITS[loader], part) for part in parts]))
    return splits


def open_folder(folder: str) -> list[Split]:
    """The splits ``train`` and ``val`` of a folder data set."""
    described = describe_folder(folder).sources
    data_set = dict(type='FolderDataset', data_root=folder)
    return [_open(name, data_set | dict(split=name)) for name in SPLITS.values() if name in described]


def _open(name: str, config: dict) -> Split:
    """Open a data set without its pipeline, which tells how its files are to be read."""
    steps = [step for step in config.get('pipeline') or [] if str(step.get('type')).startswith('LoadImage')]
    data_set = DATASETS.build(dict(config, pipeline=[]))
    if not isinstance(data_set, BaseSegDataset) or not data_set.metainfo.get('classes'):
        raise UserError(f'{name}: {type(data_set).__name__} names no classes: set metainfo=dict(classes=(…)) on it')
    facts = SplitFacts(
        name,
        tuple(data_set.metainfo['classes']),
        reduce_zero_label=bool(data_set.reduce_zero_label),
        coded=isinstance(data_set, FolderDataset),
        takes_deep_images=any(step.get('reduce_depth') for step in steps),
        notes=_left_out(data_set),
    )
    infos = [data_set.get_data_info(index) for index in range(len(data_set))]
    return Split(
        facts, infos, list(data_set.metainfo['palette']), allow_damage=any(step.get('allow_damage') for step in steps)
    )


def _join(name: str, splits: list[Split]) -> Split:
    """Data sets that are read one after the other, as Pascal VOC with its additional labels, are one split."""
    first = splits[0]
    for other in splits[1:]:
        first.infos += other.infos
        first.facts.notes += other.facts.notes
    return first


def _left_out(data_set: BaseSegDataset) -> list[str]:
    """Sentences on files of the folders that are in no pair."""
    if isinstance(data_set, FolderDataset):
        matched = match_split(data_set.description, data_set.split)
        unused = {'labels without an image': matched.labels_alone, 'broken links': matched.broken}
        return [
            f'{len(files)} {what} are left out, the first is {files[0]}' for what, files in unused.items() if files
        ]
    images, labels = data_set.data_prefix.get('img_path'), data_set.data_prefix.get('seg_map_path')
    if data_set.ann_file or not data_set.img_suffix or not images:
        return []
    notes = [describe_left_out(Path(images), list_files(Path(images)), data_set.img_suffix)]
    if labels:
        taken = {info['seg_map_path'] for info in map(data_set.get_data_info, range(len(data_set)))}
        suffix = data_set.seg_map_suffix
        alone = [f for f in list_files(Path(labels)) if f.endswith(suffix) and f'{labels}/{f}' not in taken]
        notes.append(f'{len(alone)} labels have no image, the first is {labels}/{alone[0]}' if alone else None)
    return [note for note in notes if note]
