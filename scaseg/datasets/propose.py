"""A description of a folder that nobody has described, from its names and the values in its label files."""

from collections import Counter
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np

from scaseg.errors import UserError

from .bands import decode_bands, mean_and_std, needs_bands, sum_bands
from .dataset_yaml import MOST_CLASSES, Bands, Description, LabelClass, default_palette
from .decoding import DecodingError, LabelFile, decode_labels
from .file_listing import list_files
from .folder_layout import Source, find_endings, find_sources, match_files
from .label_code import IGNORED, count_values, describe_values, pack_colours, unpack_colour

NAME_LISTS = ('classes.txt', 'class_names.txt', 'labels.txt')
SHOWN = 5


@dataclass(frozen=True)
class Proposal:
    """A description and what it was made from.

    Attributes:
        description: what ``dataset.yaml`` would say.
        images: number of images with a label in each split.
        pixels: pixels of each value.
        files: label files in which each value occurs.
        label_files: number of all label files.
        remarks: sentences on what was found and what should be looked at.
    """

    description: Description
    images: dict[str, int]
    pixels: Counter[int]
    files: Counter[int]
    label_files: int
    remarks: list[str]

    def notes(self) -> dict[str, str]:
        """How often each class occurs, by its name."""
        total = sum(self.pixels.values())
        return {
            entry.name: f'{100 * sum(self.pixels[v] for v in entry.values) / total:.3g} % of all pixels, in '
            f'{max(self.files[v] for v in entry.values)} of {self.label_files} files'
            for entry in self.description.classes
        }


@dataclass(frozen=True)
class _Values:
    """The values of one label file, as ids and as colours."""

    ids: dict[int, int] | None  # None for a colour picture
    colours: dict[int, int]
    palette: dict[int, int] | None  # index → colour


def propose_description(root: Path) -> Proposal:
    """Describe a folder by reading all its label files, once as long as no file changes.

    Raises:
        UserError: no images with labels are found, a label file cannot be read, or the labels hold more values than
            there can be classes.
    """
    state = [(name, (root / name).lstat().st_mtime_ns, (root / name).lstat().st_size) for name in list_files(root)]
    return _propose(root, hash((*state,)))


@lru_cache(maxsize=4)
def _propose(root: Path, state: int) -> Proposal:
    sources = find_sources(root)
    endings = find_endings(root, next(source for source in sources.values() if source.labels))
    matched = {split: match_files(root, source, *endings) for split, source in sources.items()}
    paths = sorted({label for split in matched.values() for _, label in split.pairs if label is not None})
    if not paths:
        folders = ', '.join(f'{root / s.images} and {root / str(s.labels)}' for s in sources.values())
        raise UserError(f'{root}: no image has a label of its name, looked in {folders}')
    with ThreadPoolExecutor() as pool:
        found = list(pool.map(_read_values, paths))
    colours, remarks = _choose_kind(found, paths)
    counted = [values.colours if colours else values.ids or {} for values in found]
    pixels = sum((Counter(values) for values in counted), Counter())
    files = sum((Counter(values.keys()) for values in counted), Counter())
    if len(pixels) > MOST_CLASSES + 1:
        raise UserError(
            f'{root}: the labels hold {len(pixels)} different {describe_values(pixels.items(), colours)}: more than '
            'there can be classes. Edges were smoothed, or files compressed with loss: export the labels again'
        )
    classes, ignore = _name_classes(root, sorted(pixels), colours, found, remarks)
    bands = _find_bands([image for image, _ in matched['train'].pairs])
    description = Description(root, colours, classes, ignore, _present(sources, matched), *endings, bands)
    if bands is not None:
        remarks.append(f'The images have {len(bands.mean)} bands, or more than 8 bits: they are read as bands.')
    images = {split: len(matched[split].pairs) for split in description.sources}
    return Proposal(description, images, pixels, files, len(paths), remarks)


def _present(sources: dict[str, Source], matched: dict) -> dict[str, Source]:
    return {split: source for split, source in sources.items() if matched[split].pairs or matched[split].images_alone}


def _find_bands(paths: Sequence[Path]) -> Bands | None:
    """Statistics of images that are more than three colours of 8 bits; the first one decides."""
    if not paths or not needs_bands(_read_bands(paths[0]), paths[0].suffix):
        return None
    sums = sum_bands(_read_bands(paths[0]))
    with ThreadPoolExecutor() as pool:
        for path, other in zip(paths[1:], pool.map(lambda path: sum_bands(_read_bands(path)), paths[1:]), strict=True):
            if other.shape != sums.shape:
                raise UserError(f'{path}: {len(other)} bands, {paths[0]} has {len(sums)}: every image needs as many')
            sums = sums + other
    mean, std = mean_and_std(sums)
    last = len(mean) - 1
    return Bands(tuple(mean), tuple(std), (0, min(1, last), min(2, last)))


def _read_bands(path: Path) -> np.ndarray:
    try:
        return decode_bands(path.read_bytes())
    except (DecodingError, OSError) as error:
        raise UserError(f'{path}: this image cannot be read: {error}; restore it, or take it away') from error


def _read_values(path: Path) -> _Values:
    try:
        file = decode_labels(path.read_bytes(), spread=True)
    except (DecodingError, OSError) as error:
        raise UserError(f'{path}: this label map cannot be read: {error}; restore it, or take it away') from error
    ids = None if file.values.ndim == 3 else count_values(file.values)
    colours = count_values(pack_colours(file)) if ids is None or file.palette is not None else {}
    if file.palette is None or ids is None:
        return _Values(ids, colours, None)
    packed = pack_colours(LabelFile(np.array([[*ids]]), file.palette))[0].tolist()
    return _Values(ids, colours, dict(zip(ids, packed, strict=True)))


def _choose_kind(found: Sequence[_Values], paths: Sequence[Path]) -> tuple[bool, list[str]]:
    """Whether the values are colours: they are in colour pictures, and in palettes that differ between files."""
    pictures = [path for path, values in zip(paths, found, strict=True) if values.ids is None]
    if pictures and len(pictures) < len(found):
        raise UserError(
            f'{len(pictures)} of {len(found)} label files are colour pictures, the others hold ids: {pictures[0]} is '
            'one of the first kind. Save all of them in one way'
        )
    if pictures:
        return True, ['The labels are colour pictures: each colour was taken for a class.']
    known: dict[int, int] = {}
    for values in found:
        for index, colour in (values.palette or {}).items():
            if known.setdefault(index, colour) != colour:
                return True, ['The files have palettes of their own: their colours were taken, not their indices.']
    return False, []


def _name_classes(
    root: Path, values: Sequence[int], colours: bool, found: Iterable[_Values], remarks: list[str]
) -> tuple[tuple[LabelClass, ...], tuple[int, ...]]:
    """One class a value; 255 among other ids is ignored, and 0 and 255 alone are background and foreground."""
    binary = not colours and list(values) == [0, IGNORED]
    ignore = (IGNORED,) if not colours and not binary and IGNORED in values and len(values) > 1 else ()
    if binary:
        remarks.append('The masks hold 0 and 255: taken for background and foreground, nothing is ignored.')
    if ignore:
        remarks.append('The id 255 is taken for pixels that belong to no class.')
    kept = [value for value in values if value not in ignore]
    names = ['background', 'foreground'] if binary else _listed_names(root, len(kept), remarks)
    if names is None:
        names = [f'#{value:06x}' if colours else f'class {value}' for value in kept]
        remarks.append(f'No list of names ({", ".join(NAME_LISTS)}) has {len(kept)} lines: name the classes yourself.')
    palette: dict[int, int] = {}
    for file in found:
        palette |= file.palette or {}
    shown = default_palette(len(kept))
    for place, value in enumerate(kept):
        if colours or value in palette:
            shown[place] = unpack_colour(value if colours else palette[value])
    return tuple(LabelClass(n, (v,), c) for n, v, c in zip(names, kept, shown, strict=True)), ignore


def _listed_names(root: Path, count: int, remarks: list[str]) -> list[str] | None:
    for name in NAME_LISTS:
        if (root / name).is_file():
            lines = [line.strip() for line in (root / name).read_text(encoding='utf-8').splitlines() if line.strip()]
            if len(lines) == count == len(set(lines)):
                remarks.append(f'The names of the classes are those in {name}, in the order of their values.')
                return lines
    return None
