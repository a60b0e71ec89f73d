"""Images of any number of bands and any depth: read whole, varied, or refused."""

from pathlib import Path

import cv2
import numpy as np
import pytest
import tifffile
from mmseg.registry import TRANSFORMS
from PIL import Image

from scaseg.datasets import BandJitter, LoadBands
from scaseg.datasets.bands import as_picture, decode_bands, mean_and_std, needs_bands, sum_bands
from scaseg.datasets.propose import propose_description
from scaseg.errors import UserError

RNG = np.random.default_rng(0)
TYPES = ['uint8', 'uint16', 'float32']


def scene(bands: int, dtype: str, shape: tuple[int, int] = (20, 30)) -> np.ndarray:
    return (RNG.random((*shape, bands)) * (250 if dtype == 'uint8' else 4000)).astype(dtype)


def load(path: Path, bands: int) -> np.ndarray:
    return LoadBands(bands)({'img_path': str(path)})['img']


@pytest.mark.parametrize('dtype', TYPES)
@pytest.mark.parametrize('bands', [1, 2, 4, 7])
def test_arrays_and_tiffs_of_every_order_keep_their_values(tmp_path: Path, bands: int, dtype: str) -> None:
    image = scene(bands, dtype)
    np.save(tmp_path / 'a.npy', image)
    if bands == 1:
        tifffile.imwrite(tmp_path / 'a.tif', image[..., 0])
    else:
        planes = np.moveaxis(image, -1, 0)
        tifffile.imwrite(tmp_path / 'a.tif', image, photometric='minisblack', planarconfig='contig')
        tifffile.imwrite(tmp_path / 'b.tif', planes, photometric='minisblack', planarconfig='separate')
        tifffile.imwrite(tmp_path / 'pages.tif', planes, photometric='minisblack')
    for path in tmp_path.iterdir():
        np.testing.assert_array_equal(load(path, bands), image.astype('uint8' if dtype == 'uint8' else 'float32'))


@pytest.mark.parametrize('bands', [1, 3, 4])
def test_pngs_of_16_bits_come_in_the_order_of_the_file(tmp_path: Path, bands: int) -> None:
    image = scene(bands, 'uint16')
    cv2.imwrite(str(tmp_path / 'a.png'), image[..., [2, 1, 0, 3][:bands]] if bands > 1 else image)
    np.testing.assert_array_equal(load(tmp_path / 'a.png', bands), image)


def test_what_cannot_be_trained_on_is_named(tmp_path: Path) -> None:
    broken = scene(2, 'float32')
    broken[3, 4] = np.nan
    np.save(tmp_path / 'nan.npy', broken)
    np.save(tmp_path / 'text.npy', np.array(['a']))
    np.save(tmp_path / 'code.npy', np.array([{}], object))
    np.save(tmp_path / 'two.npy', scene(2, 'uint8'))
    (tmp_path / 'cut.tif').write_bytes(b'II*\x00\x08\x00')
    for name, message in {
        'nan.npy': 'nan or infinite',
        'text.npy': r'expected numbers \(height, width, bands\)',
        'code.npy': 'Object arrays cannot be loaded',
        'cut.tif': 'this image cannot be read',
        'two.npy': 'this image has 2 bands, LoadBands expects 4',
        'gone.npy': 'No such file',
    }.items():
        with pytest.raises(UserError, match=rf'{name}.*{message}'):
            load(tmp_path / name, 4)


def test_needs_bands() -> None:
    assert not needs_bands(scene(3, 'uint8'), '.tif')
    assert not needs_bands(scene(4, 'uint8'), '.PNG')  # transparency
    assert needs_bands(scene(4, 'uint8'), '.tif')
    assert needs_bands(scene(1, 'uint16'), '.png')


@pytest.mark.parametrize('dtype', TYPES)
def test_sums_of_two_images_give_the_statistics_of_both(dtype: str) -> None:
    first, second = scene(4, dtype), scene(4, dtype, (11, 9))
    mean, std = mean_and_std(sum_bands(first) + sum_bands(second))
    pixels = np.concatenate([image.reshape(-1, 4) for image in (first, second)]).astype(np.float64)
    np.testing.assert_allclose(mean, pixels.mean(0), rtol=1e-12)
    np.testing.assert_allclose(std, pixels.std(0), rtol=1e-9)


def test_a_picture_of_three_chosen_bands() -> None:
    image = scene(5, 'float32')
    picture = as_picture(image, (4, 0, 0))
    assert picture.dtype == np.uint8
    assert picture.shape == (20, 30, 3)
    np.testing.assert_array_equal(picture[..., 1], picture[..., 2])
    assert np.corrcoef(picture[..., 0].ravel(), image[..., 4].ravel())[0, 1] > 0.99


@pytest.mark.parametrize('dtype', ['uint8', 'float32'])
def test_jitter_keeps_type_shape_and_order(dtype: str) -> None:
    image = scene(6, dtype)
    seen = set()
    for _ in range(12):
        changed = BandJitter()({'img': image.copy()})['img']
        assert changed.dtype == image.dtype
        assert changed.shape == image.shape
        seen.add(round(float(changed.mean()), 3))
    assert len(seen) > 3


GEOMETRIC = [
    dict(type='RandomResize', scale=(60, 40), ratio_range=(0.5, 2.0), keep_ratio=True),
    dict(type='Resize', scale=(60, 40), keep_ratio=True),
    dict(type='ResizeToMultiple', size_divisor=32),
    dict(type='RandomCrop', crop_size=(16, 16)),
    dict(type='RandomFlip', prob=1.0),
    dict(type='RandomRotate', prob=1.0, degree=20),
]


@pytest.mark.parametrize('bands, dtype', [(1, 'uint8'), (2, 'float32'), (6, 'float32')])
def test_geometric_transforms_take_any_bands(bands: int, dtype: str) -> None:
    image = scene(bands, dtype)
    label = (image[..., 0] > image[..., 0].mean()).astype(np.uint8)
    start = dict(img_shape=(20, 30), ori_shape=(20, 30), seg_fields=['gt_seg_map'], reduce_zero_label=False, flip=None)
    for step in GEOMETRIC:
        results = TRANSFORMS.build(step)(dict(start, img=image.copy(), gt_seg_map=label.copy()))
        shape = results['img'].shape
        assert shape[:2] == results['gt_seg_map'].shape
        assert (shape[2:] or (1,)) == (bands,)  # OpenCV drops a single band, PackSegInputs adds it
        packed = TRANSFORMS.build(dict(type='PackSegInputs', meta_keys=()))(results)
        assert packed['inputs'].shape == (bands, *shape[:2])


def test_folders_of_bands_are_proposed_with_their_statistics(tmp_path: Path) -> None:
    images = [scene(4, 'uint16') for _ in range(3)]
    for number, image in enumerate(images):
        for folder in ('images', 'masks'):
            (tmp_path / folder / 'train').mkdir(parents=True, exist_ok=True)
        tifffile.imwrite(
            tmp_path / f'images/train/{number}.tif', image, photometric='minisblack', planarconfig='contig'
        )
        Image.fromarray((image[..., 0] > 2000).astype(np.uint8)).save(tmp_path / f'masks/train/{number}.png')
    bands = propose_description(tmp_path).description.bands
    assert bands is not None
    assert len(bands.mean) == len(bands.std) == 4
    assert bands.show == (0, 1, 2)


def test_gray_of_8_bits_needs_none() -> None:
    content = cv2.imencode('.png', scene(1, 'uint8'))[1].tobytes()
    assert not needs_bands(decode_bands(content), '.png')
