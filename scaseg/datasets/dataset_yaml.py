"""``dataset.yaml``: what the files of a folder mean. Read with every key checked, written by hand or by a tool.

labels: ids                  # or colours: the exact RGB colours of the label files
classes:
  - {name: field, values: [1], colour: [120, 190, 60]}
  - {name: building, values: [2, 3]}      # merged
ignore: [0, 255]             # values of pixels that belong to no class
train: {images: images/train, labels: masks/train}
val: {images: images/val, labels: masks/val}
label_ending: _mask          # masks/train/a_mask.png belongs to images/train/a.jpg
bands: {mean: [1200.5, 900.2, 800.1, 2500.0], std: [400.1, 300.0, 320.5, 800.9], show: [2, 1, 0]}
"""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import yaml

from scaseg.errors import UserError

from .folder_layout import SPLITS, Source
from .label_code import IGNORED, LabelCode, unpack_colour

NAME = 'dataset.yaml'
KEYS = {'labels', 'classes', 'ignore', 'image_ending', 'label_ending', 'bands', *SPLITS}
BAND_KEYS = {'mean', 'std', 'show'}
CLASS_KEYS = {'name', 'values', 'colour'}
SOURCE_KEYS = {'images', 'labels', 'names', 'share', 'rest', 'seed'}
MOST_CLASSES = 255  # 0..254; 255 is the id that is ignored


@dataclass(frozen=True)
class LabelClass:
    """A class: its name, the values that stand for it in the files, and its colour in pictures."""

    name: str
    values: tuple[int, ...]
    colour: tuple[int, int, int]


@dataclass(frozen=True)
class Bands:
    """Images of other bands than three colours of 8 bits.

    Attributes:
        mean, std: of each band, in the units of the files.
        show: the bands that pictures show as red, green and blue.
    """

    mean: tuple[float, ...]
    std: tuple[float, ...]
    show: tuple[int, int, int]


@dataclass(frozen=True)
class Description:
    """What a ``dataset.yaml`` says.

    Attributes:
        root: the folder it describes.
        colours: labels are RGB colours, and all values are colours packed as 0xRRGGBB.
        classes: in the order of their ids in training.
        ignore: values of pixels that belong to no class.
        sources: where the files of each split lie.
        image_ending, label_ending: see ``folder_layout.match_files``.
        bands: ``None`` for three colours of 8 bits.
    """

    root: Path
    colours: bool
    classes: tuple[LabelClass, ...]
    ignore: tuple[int, ...]
    sources: Mapping[str, Source]
    image_ending: str = ''
    label_ending: str = ''
    bands: Bands | None = None

    @property
    def metainfo(self) -> dict[str, Any]:
        """``classes`` and ``palette`` as mmseg's data sets have them, and ``picture_bands`` of images with bands."""
        return {
            'classes': tuple(entry.name for entry in self.classes),
            'palette': [list(entry.colour) for entry in self.classes],
            **({} if self.bands is None else {'picture_bands': self.bands.show}),
        }

    def label_code(self) -> LabelCode:
        """The class of every value."""
        known = {value: index for index, entry in enumerate(self.classes) for value in entry.values}
        return LabelCode(known | dict.fromkeys(self.ignore, IGNORED), self.colours)


def read_description(path: Path) -> Description:
    """Read a ``dataset.yaml``.

    Raises:
        UserError: the file cannot be read, a key is unknown or missing, or a value is not what the key takes.
    """
    try:
        content = yaml.safe_load(path.read_text(encoding='utf-8'))
    except (OSError, UnicodeDecodeError, yaml.YAMLError) as error:
        raise UserError(f'{path}: it cannot be read: {" ".join(str(error).split())}') from error
    reader = _Reader(path)
    content = reader.mapping('', content, KEYS)
    kind = content.get('labels', 'ids')
    if kind not in ('ids', 'colours'):
        reader.refuse('labels', kind, 'ids or colours')
    classes = reader.classes(content.get('classes'), kind == 'colours')
    description = Description(
        root=path.parent,
        colours=kind == 'colours',
        classes=classes,
        ignore=reader.values('ignore', content.get('ignore', []), kind == 'colours'),
        sources={split: reader.source(split, content[split]) for split in SPLITS if split in content},
        image_ending=reader.text('image_ending', content.get('image_ending', '')),
        label_ending=reader.text('label_ending', content.get('label_ending', '')),
        bands=reader.bands(content['bands']) if 'bands' in content else None,
    )
    if not description.sources:
        reader.refuse('train', None, 'the folders of images and labels: {images: images/train, labels: masks/train}')
    reader.check_once(description)
    return description


def default_palette(count: int) -> list[tuple[int, int, int]]:
    """Colours of that many classes: the bits of the number spread over the channels, as in Pascal VOC; no black."""
    colours = []
    for number in range(1, count + 1):
        channels = [0, 0, 0]
        for bit in range(8):
            channels[bit % 3] |= (number >> bit & 1) << (7 - bit // 3)
        colours.append((channels[0], channels[1], channels[2]))
    return colours


class _Reader:
    """Checks values of one file; every refusal names the file, the key and what belongs there."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def refuse(self, key: str, value: object, expected: str) -> None:
        raise UserError(f'{self.path}: {key}: {value!r} is given, expected {expected}')

    def mapping(self, key: str, value: object, keys: set[str]) -> dict:
        if not isinstance(value, dict):
            self.refuse(key or 'the file', value, f'the keys {", ".join(sorted(keys))}')
        assert isinstance(value, dict)
        for name in value:
            if name not in keys:
                raise UserError(
                    f'{self.path}: {f"{key}.{name}".lstrip(".")}: no such key, known are {", ".join(sorted(keys))}'
                )
        return value

    def text(self, key: str, value: object) -> str:
        if not isinstance(value, str):
            self.refuse(key, value, 'text')
        return str(value)

    def classes(self, value: object, colours: bool) -> tuple[LabelClass, ...]:
        if not isinstance(value, list) or not 1 <= len(value) <= MOST_CLASSES:
            self.refuse('classes', value, f'a list of 1 to {MOST_CLASSES} classes')
        assert isinstance(value, list)
        found = []
        for index, (entry, default) in enumerate(zip(value, default_palette(len(value)), strict=True)):
            key = f'classes[{index}]'
            entry = self.mapping(key, entry, CLASS_KEYS)
            if 'values' not in entry or 'name' not in entry:
                self.refuse(key, entry, 'a name and the values of the class')
            values = self.values(f'{key}.values', entry['values'], colours)
            if not values:
                self.refuse(f'{key}.values', entry['values'], 'at least one value')
            if 'colour' in entry:
                colour = self.colour(f'{key}.colour', entry['colour'])
            else:
                colour = unpack_colour(values[0]) if colours else default
            found.append(LabelClass(self.text(f'{key}.name', entry['name']), values, colour))
        return tuple(found)

    def values(self, key: str, value: object, colours: bool) -> tuple[int, ...]:
        if not isinstance(value, list):
            self.refuse(key, value, 'a list of colours [red, green, blue]' if colours else 'a list of ids')
        assert isinstance(value, list)
        if colours:
            triples = [self.colour(key, entry) for entry in value]
            return tuple(red << 16 | green << 8 | blue for red, green, blue in triples)
        for entry in value:
            if type(entry) is not int or not 0 <= entry < 1 << 32:
                self.refuse(key, entry, 'ids of 0 or more')
        return tuple(value)

    def colour(self, key: str, value: object) -> tuple[int, int, int]:
        if not (isinstance(value, list) and len(value) == 3 and all(type(x) is int and 0 <= x < 256 for x in value)):
            self.refuse(key, value, '[red, green, blue], each 0 to 255')
        assert isinstance(value, list)
        return value[0], value[1], value[2]

    def source(self, key: str, value: object) -> Source:
        entry = self.mapping(key, value, SOURCE_KEYS)
        if 'images' not in entry:
            self.refuse(key, entry, 'the folder of the images: {images: images/train, labels: masks/train}')
        share = entry.get('share')
        if share is not None and not (isinstance(share, int | float) and 0 < share < 1):
            self.refuse(f'{key}.share', share, 'a number between 0 and 1')
        types = {'images': str, 'labels': str | None, 'names': str | None, 'rest': bool, 'seed': int}
        for name, kind in types.items():
            if name in entry and not isinstance(entry[name], kind):
                self.refuse(f'{key}.{name}', entry[name], getattr(kind, '__name__', 'text'))
        return Source(**{'labels': None, **entry})

    def bands(self, value: object) -> Bands:
        entry = self.mapping('bands', value, BAND_KEYS)
        mean, std = self.numbers('bands.mean', entry.get('mean')), self.numbers('bands.std', entry.get('std'))
        if len(mean) != len(std) or min(std) <= 0:
            self.refuse('bands.std', entry.get('std'), f'{len(mean)} numbers above 0, one for each band')
        show = entry.get('show', [min(index, len(mean) - 1) for index in range(3)])
        known = range(len(mean))
        if not (isinstance(show, list) and len(show) == 3 and all(type(x) is int and x in known for x in show)):
            self.refuse('bands.show', show, f'three bands, each 0 to {len(mean) - 1}')
        return Bands(mean, std, (show[0], show[1], show[2]))

    def numbers(self, key: str, value: object) -> tuple[float, ...]:
        if not (isinstance(value, list) and value and all(type(x) in (int, float) for x in value)):
            self.refuse(key, value, 'a list with a number for each band; tools/data/describe.py writes it')
        assert isinstance(value, list)
        return tuple(float(x) for x in value)

    def check_once(self, description: Description) -> None:
        """Every name and every value stands once."""
        owners: dict[int, str] = {}
        names = [entry.name for entry in description.classes]
        for name in names:
            if names.count(name) > 1:
                self.refuse('classes', name, 'each name once')
        groups = [(entry.name, entry.values) for entry in description.classes] + [('ignore', description.ignore)]
        for owner, values in groups:
            for value in values:
                if value in owners:
                    shown = unpack_colour(value) if description.colours else value
                    raise UserError(f'{self.path}: {shown} stands both for {owners[value]} and for {owner}')
                owners[value] = owner


def write_description(description: Description, notes: Mapping[str, str] | None = None) -> str:
    """The text of a ``dataset.yaml``, with a comment behind each class where ``notes`` has one by its name."""

    def shown(values: tuple[int, ...]) -> list:
        return [list(unpack_colour(value)) if description.colours else value for value in values]

    lines = [f'labels: {"colours" if description.colours else "ids"}', 'classes:']
    for entry in description.classes:
        item = {'name': entry.name, 'values': shown(entry.values), 'colour': list(entry.colour)}
        note = (notes or {}).get(entry.name)
        lines.append(f'  - {_in_one_line(item)}' + (f'  # {note}' if note else ''))
    lines.append(f'ignore: {_in_one_line(shown(description.ignore))}')
    for split, source in description.sources.items():
        given = {f.name: getattr(source, f.name) for f in fields(source) if getattr(source, f.name) != f.default}
        lines.append(f'{split}: {_in_one_line(given)}')
    for key in ('image_ending', 'label_ending'):
        if getattr(description, key):
            lines.append(f'{key}: {_in_one_line(getattr(description, key))}')
    if description.bands is not None:
        lines.append(f'bands: {_in_one_line({name: list(value) for name, value in vars(description.bands).items()})}')
    return '\n'.join(lines) + '\n'


def _in_one_line(value: object) -> str:
    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10**6, allow_unicode=True)
    return text.removesuffix('\n').removesuffix('\n...')
