"""Images and label files of a folder, found and matched by their names."""

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from scaseg.errors import UserError

from .file_listing import IMAGE_SUFFIXES, list_files

LABEL_SUFFIXES = ('.png', '.tif', '.tiff', '.bmp', '.npy', '.gif', '.webp')
SPLITS = {
    'train': ('train', 'training', 'trn'),
    'val': ('val', 'valid', 'validation', 'dev'),
    'test': ('test', 'testing'),
}
IMAGE_FOLDERS = ('images', 'image', 'imgs', 'img', 'img_dir', 'jpegimages', 'leftimg8bit', 'photos', 'pictures')
LABEL_FOLDERS: tuple[str, ...] = (
    'masks',
    'mask',
    'labels',
    'label',
    'annotations',
    'ann_dir',
    'annots',
    'gt',
    'gtfine',
)
LABEL_FOLDERS += ('segmentationclass', 'segmentationclasspng', 'segmentations', 'ground_truth', 'groundtruth')
IMAGE_ENDINGS = ('', '_image', '_img', '_rgb', '_sat', '_leftImg8bit')
LABEL_ENDINGS: tuple[str, ...] = (
    '',
    '_mask',
    '_masks',
    '_label',
    '_labels',
    '_seg',
    '_gt',
    '_annotation',
    '_annot',
    '-mask',
)
LABEL_ENDINGS += ('_gtFine_labelTrainIds', '_labelTrainIds', '_L', '_lab')
SHOWN = 3


@dataclass(frozen=True)
class Source:
    """Where the files of one split lie, relative to the folder of the data set.

    Attributes:
        images: folder of the images.
        labels: folder of the label files; ``None`` where there are none.
        names: file with a list of names, one a line; without it all images are taken.
        share: take only this share of the images, drawn by ``seed``; ``None`` takes all.
        rest: take what a split with this ``share`` leaves over.
        seed: of the draw.
    """

    images: str
    labels: str | None
    names: str | None = None
    share: float | None = None
    rest: bool = False
    seed: int = 0


@dataclass
class Matched:
    """The pairs of a split and what has no counterpart; paths are absolute or as the root is."""

    pairs: list[tuple[Path, Path | None]] = field(default_factory=list)
    images_alone: list[Path] = field(default_factory=list)
    labels_alone: list[Path] = field(default_factory=list)
    broken: list[Path] = field(default_factory=list)


def match_files(root: Path, source: Source, image_ending: str = '', label_ending: str = '') -> Matched:
    """Match images and labels of a split by their path without suffix, in sub-folders as well.

    Args:
        root: folder of the data set.
        source: of the split.
        image_ending: what stands between the name of a pair and the suffix of its image (``'_sat'``).
        label_ending: the same for its label (``'_mask'``).

    Raises:
        UserError: a folder or list is missing, two files make one name, or a listed name has no image.
    """
    matched = Matched()
    mixed = source.images == source.labels
    images = _by_name(root / source.images, IMAGE_SUFFIXES, image_ending, label_ending if mixed else None, matched)
    labels: dict[str, Path] = {}
    if source.labels is not None:
        labels = _by_name(root / source.labels, LABEL_SUFFIXES, label_ending, None, matched)
    names = _names(root, source, sorted(images))
    for name in names:
        if name in labels or source.labels is None:
            matched.pairs.append((images[name], labels.get(name)))
        else:
            matched.images_alone.append(images[name])
    matched.labels_alone = [labels[name] for name in sorted(labels.keys() - images.keys())]
    return matched


def find_sources(root: Path) -> dict[str, Source]:
    """Guess where images and labels of ``train``, ``val`` and ``test`` lie; without a ``val`` one in five is drawn.

    Raises:
        UserError: no folder of images and labels is found; the message lists the layouts that are known.
    """
    tree = {path.name.lower(): path.name for path in sorted(root.iterdir()) if path.is_dir()}
    found = _splits_inside(root, tree) or _splits_outside(root, tree) or _splits_side_by_side(root, tree)
    if not found:
        images, labels = _first(tree, IMAGE_FOLDERS), _first(tree, LABEL_FOLDERS)
        if images and labels:
            found = _listed(root, Source(images, labels))
        elif not tree or _holds_images(root):
            found = _listed(root, Source('.', '.'))
    if 'train' not in found:
        raise UserError(
            f'{root}: no images with labels are found. Known layouts: images/train + masks/train, train/images + '
            'train/masks, img_dir/train + ann_dir/train, train + train_masks, images + masks, or one folder with '
            'a.jpg + a_mask.png; any other can be written into dataset.yaml, see docs/own_data.md'
        )
    if 'val' not in found:
        train = found['train']
        found['val'] = Source(train.images, train.labels, share=0.2)
        found['train'] = Source(train.images, train.labels, share=0.2, rest=True)
    return {split: found[split] for split in SPLITS if split in found}


def find_endings(root: Path, source: Source) -> tuple[str, str]:
    """The endings of image and label names with which most files match, the shortest ones if several do."""
    choices = [(image, label) for image in IMAGE_ENDINGS for label in LABEL_ENDINGS]
    if source.images == source.labels:
        choices = [(image, label) for image, label in choices if label]
    images = _stems(root / source.images, IMAGE_SUFFIXES)
    labels = _stems(root / (source.labels or ''), LABEL_SUFFIXES)

    def matches(choice: tuple[str, str]) -> int:
        image_ending, label_ending = choice
        return len(_without(images, image_ending) & _without(labels, label_ending))

    return max(choices, key=lambda choice: (matches(choice), -len(''.join(choice))))


def _splits_inside(root: Path, tree: dict[str, str]) -> dict[str, Source]:
    """images/train + masks/train."""
    images, labels = _first(tree, IMAGE_FOLDERS), _first(tree, LABEL_FOLDERS)
    if not (images and labels):
        return {}
    inner = {name: _sub_folders(root / name) for name in (images, labels)}
    found = {}
    for split, names in SPLITS.items():
        image, label = _first(inner[images], names), _first(inner[labels], names)
        if image:
            found[split] = Source(f'{images}/{image}', f'{labels}/{label}' if label else None)
    return found


def _splits_outside(root: Path, tree: dict[str, str]) -> dict[str, Source]:
    """train/images + train/masks."""
    found = {}
    for split, names in SPLITS.items():
        folder = _first(tree, names)
        inner = _sub_folders(root / folder) if folder else {}
        images, labels = _first(inner, IMAGE_FOLDERS), _first(inner, LABEL_FOLDERS)
        if images:
            found[split] = Source(f'{folder}/{images}', f'{folder}/{labels}' if labels else None)
    return found


def _splits_side_by_side(root: Path, tree: dict[str, str]) -> dict[str, Source]:
    """train + train_masks, or train with images and labels mixed."""
    found = {}
    for split, names in SPLITS.items():
        folder = _first(tree, names)
        if not folder or not _holds_images(root / folder):
            continue
        partners = [f'{folder.lower()}{join}{name}' for join in ('_', '', '-') for name in (*LABEL_FOLDERS, 'annot')]
        found[split] = Source(folder, _first(tree, partners) or folder)
    return found


def _listed(root: Path, source: Source) -> dict[str, Source]:
    """One folder for all splits: the lists train.txt, val.txt … say which is which, if they are there."""
    found = {'train': source}
    for split in SPLITS:
        for name in (f'{split}.txt', f'splits/{split}.txt', f'ImageSets/Segmentation/{split}.txt'):
            if (root / name).is_file():
                found[split] = Source(source.images, source.labels, names=name)
    return found


def _names(root: Path, source: Source, names: Sequence[str]) -> list[str]:
    """The names of a split: listed, drawn, or all."""
    if source.names is not None:
        return _read_list(root / source.names, set(names))
    if source.share is None:
        return list(names)
    ranked = sorted(names, key=lambda name: hashlib.sha256(f'{source.seed}/{name}'.encode()).digest())
    count = min(max(1, round(source.share * len(names))), len(names) - 1) if len(names) > 1 else len(names)
    return sorted(ranked[count:] if source.rest else ranked[:count])


def _read_list(path: Path, known: set[str]) -> list[str]:
    """Names in a list, with or without the suffix of the image."""
    try:
        lines = [line.strip() for line in path.read_text(encoding='utf-8').splitlines() if line.strip()]
    except (OSError, UnicodeDecodeError) as error:
        raise UserError(f'{path}: the list of images cannot be read ({error})') from error
    names = [line if line in known else str(Path(line).with_suffix('')) for line in lines]
    missing = [name for name in names if name not in known]
    if missing or not names:
        raise UserError(f'{path}: {len(missing)} of {len(names)} names have no image{_first_few(missing)}')
    return names


def _by_name(
    folder: Path, suffixes: Sequence[str], ending: str, without: str | None, matched: Matched
) -> dict[str, Path]:
    """Files of a folder by their path without ending and suffix; broken links are noted."""
    if not folder.is_dir():
        raise UserError(f'{folder}: this folder does not exist')
    found: dict[str, Path] = {}
    for file in list_files(folder):
        stem, suffix = file[: -len(Path(file).suffix) or None], Path(file).suffix.lower()
        if suffix not in suffixes or not stem.endswith(ending) or (without and stem.endswith(without)):
            continue
        if not (folder / file).is_file():
            matched.broken.append(folder / file)
            continue
        name = stem.removesuffix(ending)
        if name in found:
            raise UserError(f'{found[name]} and {folder / file}: two files of one name; remove or rename one')
        found[name] = folder / file
    return found


def _stems(folder: Path, suffixes: Sequence[str]) -> set[str]:
    files = (file for file in list_files(folder) if file.lower().endswith(tuple(suffixes)))
    return {file[: -len(Path(file).suffix)] for file in files}


def _without(stems: set[str], ending: str) -> set[str]:
    return {stem.removesuffix(ending) for stem in stems if stem.endswith(ending)}


def _sub_folders(folder: Path) -> dict[str, str]:
    return {path.name.lower(): path.name for path in sorted(folder.iterdir()) if path.is_dir()}


def _first(tree: dict[str, str], names: Iterable[str]) -> str | None:
    """The first of the names that is in a tree of lower-case names, as it is spelt there."""
    return next((tree[name] for name in names if name in tree), None)


def _holds_images(folder: Path) -> bool:
    return any(path.suffix.lower() in IMAGE_SUFFIXES for path in folder.iterdir())


def _first_few(names: Sequence[object]) -> str:
    shown = ', '.join(map(str, names[:SHOWN]))
    return f': {shown}{" …" if len(names) > SHOWN else ""}' if names else ''
