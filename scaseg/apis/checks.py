"""Checks before a run: data folders, classes and devices. Each failure is one error that names the key to change."""

import inspect
import logging
import os
import re
from collections.abc import Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path

import torch
from mmengine.config import Config
from mmengine.logging import print_log
from mmseg.datasets import BaseSegDataset
from mmseg.registry import DATASETS

from scaseg.datasets import FolderDataset
from scaseg.datasets.file_listing import describe_left_out, list_files
from scaseg.datasets.folder import describe_folder, match_split
from scaseg.errors import UserError

from .band_checks import check_bands


def check_data(cfg: Config, dataloaders: Sequence[str]) -> None:
    """Check folders and classes of the data sets that a run will read.

    Args:
        cfg: the whole config.
        dataloaders: keys of the data loaders in use (``'train_dataloader'`` …).

    Raises:
        UserError: a folder or list of files is missing, a folder holds no image with the expected suffix, a link
            leads back to its folder, an image has no label, a class name is unknown, or a head or ``CheckLabels``
            has another number of classes than a data set.
    """
    for loader in dataloaders:
        if cfg.get(loader) is None:
            continue
        for key, dataset in leaf_datasets(f'{loader}.dataset', cfg[loader].dataset):
            kind = dataset['type'] if isinstance(dataset['type'], type) else DATASETS.get(dataset['type'])
            if issubclass(kind, FolderDataset):
                match_split(describe_folder(dataset['data_root']), dataset.get('split', 'train'))
            elif issubclass(kind, BaseSegDataset) and is_local(dataset):
                _check_files(key, dataset, kind)
            _check_classes(cfg, key, dataset, kind)
            check_bands(cfg, f'{key}.pipeline', dataset.get('pipeline'))


def check_device(cfg: Config) -> None:
    """Check that the GPUs that were asked for are there.

    Raises:
        UserError: CUDA_VISIBLE_DEVICES, mixed precision or the launcher asks for a GPU and there is none, or there are
            more processes on this machine than GPUs.
    """
    gpus = torch.cuda.device_count() if torch.cuda.is_available() else 0
    visible = os.environ.get('CUDA_VISIBLE_DEVICES', '')
    if gpus == 0 and re.match(r'\d|GPU-|MIG-', visible):  # clusters also write words there, which ask for none
        raise UserError(
            f'CUDA_VISIBLE_DEVICES={visible} asks for a GPU, but torch finds none: check the driver (nvidia-smi) and '
            'that this torch was built for CUDA, or unset the variable to run on the CPU'
        )
    if gpus == 0 and (cfg.get('optim_wrapper') or {}).get('type') == 'AmpOptimWrapper':
        raise UserError(
            'mixed precision (--amp, optim_wrapper.type=AmpOptimWrapper) needs a GPU, and torch finds none'
        )
    if gpus == 0 and cfg.launcher in ('slurm', 'mpi'):
        raise UserError(f'--launcher {cfg.launcher} needs GPUs, and torch finds none: use tools/dist_train.sh on CPUs')
    if cfg.launcher == 'pytorch' and 'RANK' not in os.environ:
        raise UserError('--launcher pytorch is set by tools/dist_train.sh and tools/dist_test.sh: call those')
    processes = int(os.environ.get('LOCAL_WORLD_SIZE', 1))
    if 0 < gpus < processes:
        raise UserError(f'{processes} processes were started on this machine, which has {gpus} GPU(s)')


def leaf_datasets(key: str, dataset: dict) -> Iterator[tuple[str, dict]]:
    """Data sets inside wrappers such as RepeatDataset and ConcatDataset, with their keys."""
    if 'dataset' in dataset:
        yield from leaf_datasets(f'{key}.dataset', dataset['dataset'])
    elif 'datasets' in dataset:
        for index, child in enumerate(dataset['datasets']):
            yield from leaf_datasets(f'{key}.datasets[{index}]', child)
    else:
        yield key, dataset


def is_local(dataset: dict) -> bool:
    """Whether a data set reads folders of this machine: some read none, some an object store."""
    places = [dataset.get('data_root'), *(dataset.get('data_prefix') or {}).values()]
    places = [str(place) for place in places if place]
    return bool(places) and dataset.get('backend_args') is None and not any('://' in place for place in places)


def _check_files(key: str, dataset: dict, kind: type[BaseSegDataset]) -> None:
    root = Path(dataset.get('data_root') or '')
    remedy = f'see docs/datasets.md for the layout, or set {key}.data_root'
    for prefix, folder in (dataset.get('data_prefix') or {}).items():
        if folder is not None and not (root / folder).is_dir():
            raise UserError(f'{key}.data_prefix.{prefix}: the folder {root / folder} does not exist; {remedy}')
    ann_file = dataset.get('ann_file')
    if ann_file:
        if not (root / ann_file).is_file():
            raise UserError(f'{key}.ann_file: the file {root / ann_file} does not exist; {remedy}')
        if not (root / ann_file).read_text().split():
            raise UserError(f'{key}.ann_file: the file {root / ann_file} names no image')
        return
    image_suffix, label_suffix = (dataset.get(name, _default(kind, name)) for name in ('img_suffix', 'seg_map_suffix'))
    folders = dataset.get('data_prefix') or {}
    where = root / folders.get('img_path', '')
    files = list_files(where)
    if not image_suffix:  # the data set looks for itself
        return
    images = _stems(where, files, image_suffix)
    if not images:
        raise UserError(f'{key}: no image *{image_suffix} in {where}; {remedy} or {key}.img_suffix')
    left_out = describe_left_out(where, files, image_suffix)
    if left_out and os.environ.get('RANK', '0') == '0':
        print_log(f'{key}: {left_out}', level=logging.WARNING)
    if folders.get('seg_map_path'):
        labels = root / folders['seg_map_path']
        missing = sorted(images - _stems(labels, list_files(labels), label_suffix or ''))
        if missing:
            raise UserError(
                f'{key}: {len(missing)} of {len(images)} images have no label *{label_suffix} in '
                f'{root / folders["seg_map_path"]}, the first is {missing[0]}; {remedy} or {key}.seg_map_suffix'
            )


def _stems(folder: Path, files: list[str], suffix: str) -> set[str]:
    """The files that end in a suffix and are there, without the suffix, as mmseg's data sets list them."""
    return {file.removesuffix(suffix) for file in files if file.endswith(suffix) and (folder / file).is_file()}


def _default(kind: type, name: str) -> str | None:
    """Default of a data set's argument, from the first of its classes that has the argument."""
    parameters = (inspect.signature(base).parameters for base in kind.__mro__)
    return next((found[name].default for found in parameters if name in found), None)


def _check_classes(cfg: Config, key: str, dataset: dict, kind: type[BaseSegDataset]) -> None:
    """One number of classes: the data set's, which the heads and ``CheckLabels`` must have, too."""
    known = kind.METAINFO.get('classes')
    classes = (dataset.get('metainfo') or {}).get('classes', known)
    if issubclass(kind, FolderDataset):
        classes = describe_folder(dataset['data_root']).metainfo['classes']
    if not isinstance(classes, (list, tuple)):  # a file with names, or a data set without classes
        return
    for name in classes if known else ():
        if name not in known:
            close = get_close_matches(name, known, n=1)
            hint = f'; did you mean {close[0]!r}?' if close else ''
            raise UserError(f'{key}.metainfo.classes: {kind.__name__} has no class {name!r}{hint}')
    numbers = {}
    for head in ('decode_head', 'auxiliary_head'):
        heads = cfg.model.get(head) or []
        for settings in heads if isinstance(heads, (list, tuple)) else [heads]:
            numbers[f'model.{head}.num_classes'] = settings.get('num_classes', len(classes))
    for index, step in enumerate(dataset.get('pipeline') or []):
        if step.get('type') == 'CheckLabels':
            numbers[f'{key}.pipeline[{index}].num_classes'] = step.get('num_classes')
    for where, number in numbers.items():
        if number != len(classes):
            raise UserError(f'{where}={number!r}, but {key} ({kind.__name__}) has {len(classes)} classes')
