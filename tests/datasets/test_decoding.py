"""Image and label files of every depth and kind: read without loss, or refused by name."""

import io
from pathlib import Path

import cv2
import numpy as np
import pytest
from PIL import Image

from scaseg.datasets import LoadImage, LoadLabels
from scaseg.datasets.decoding import DecodingError, decode_image, decode_labels
from scaseg.errors import UserError

RNG = np.random.default_rng(0)
PHOTO = cv2.resize(RNG.integers(0, 256, (8, 10, 3), np.uint8), (75, 60))


def encoded(picture: Image.Image, kind: str = 'PNG', **options: object) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, kind, **options)
    return buffer.getvalue()


def labels(path: Path, **data_set: object) -> dict:
    return {'seg_map_path': str(path), 'img_path': 'a.jpg', 'seg_fields': [], 'reduce_zero_label': False, **data_set}


@pytest.mark.parametrize('options', [{}, {'subsampling': 0}, {'progressive': True}, {'quality': 30}])
@pytest.mark.parametrize('mode', ['RGB', 'L', 'CMYK'])
def test_a_jpeg_gives_the_pixels_of_opencv(mode: str, options: dict) -> None:
    content = encoded(Image.fromarray(PHOTO).convert(mode), 'JPEG', **options)
    np.testing.assert_array_equal(decode_image(content), cv2.imdecode(np.frombuffer(content, np.uint8), 1))


@pytest.mark.parametrize('orientation', range(1, 9))
def test_exif_turns_the_image(orientation: int) -> None:
    exif = Image.Exif()
    exif[0x112] = orientation
    content = encoded(Image.fromarray(PHOTO), 'JPEG', exif=exif)
    np.testing.assert_array_equal(decode_image(content), cv2.imdecode(np.frombuffer(content, np.uint8), 1))


def test_a_jpeg_that_makes_its_decoder_warn_is_refused_unless_allowed(tmp_path: Path) -> None:
    whole = encoded(Image.fromarray(PHOTO), 'JPEG')
    damaged = {'rot': whole[:900] + b'\xff\xd3' * 4 + whole[908:], 'cut': whole[:-200]}
    for name, content in damaged.items():
        path = tmp_path / f'{name}.jpg'
        path.write_bytes(content)
        with pytest.raises(UserError, match=rf'{name}\.jpg: this image cannot be read.*allow_damage=True'):
            LoadImage()({'img_path': str(path)})
        assert LoadImage(allow_damage=True)({'img_path': str(path)})['img'].shape == PHOTO.shape


def test_damage_in_a_png_is_found_by_its_checksums() -> None:
    whole = encoded(Image.fromarray(RNG.integers(0, 4, (64, 64), np.uint8)))
    for place in range(50, len(whole) - 20, 97):
        rotten = whole[:place] + bytes([whole[place] ^ 1]) + whole[place + 1 :]
        with pytest.raises(DecodingError):
            decode_labels(rotten)


@pytest.mark.parametrize('shape', [(60, 75), (60, 75, 3)], ids=['gray', 'colour'])
def test_an_image_of_16_bits_is_not_cut_without_a_word(tmp_path: Path, shape: tuple) -> None:
    path = tmp_path / 'deep.png'
    deep = RNG.integers(0, 65536, shape).astype(np.uint16)
    cv2.imwrite(str(path), deep)
    with pytest.raises(UserError, match=r'deep\.png: the image is of type uint16.*reduce_depth=True'):
        LoadImage()({'img_path': str(path)})
    image = LoadImage(reduce_depth=True)({'img_path': str(path)})['img']
    np.testing.assert_array_equal(image, np.broadcast_to((deep >> 8).reshape(60, 75, -1), image.shape))
    assert image.dtype == np.uint8


def test_ids_of_16_bits_keep_their_value(tmp_path: Path) -> None:
    ids = np.array([[0, 1, 255], [512, 513, 60000]], np.uint16)
    Image.fromarray(ids).save(tmp_path / 'ids.png')
    np.testing.assert_array_equal(LoadLabels()(labels(tmp_path / 'ids.png'))['gt_seg_map'], ids)
    reduced = LoadLabels()(labels(tmp_path / 'ids.png', reduce_zero_label=True))['gt_seg_map']
    np.testing.assert_array_equal(reduced, [[255, 0, 255], [511, 512, 59999]])
    mapped = LoadLabels()(labels(tmp_path / 'ids.png', label_map={0: 5, 512: 0, 513: 1, 60000: 255}))['gt_seg_map']
    np.testing.assert_array_equal(mapped, [[5, 1, 255], [0, 1, 255]])
    assert mapped.dtype == np.uint8


@pytest.mark.parametrize(
    'content, message',
    [
        (encoded(Image.fromarray(PHOTO[..., 0] > 99)), 'fewer than 8 bits'),
        (encoded(Image.fromarray(PHOTO[..., 0]), 'JPEG'), 'JPEG alters ids'),
        (encoded(Image.fromarray(PHOTO[..., 0].astype(np.float32)), 'TIFF'), 'float32: save ids as integers'),
        (b'', 'cannot identify'),
        (b'not a picture', 'cannot identify'),
    ],
    ids=['1 bit', 'JPEG', 'decimals', 'empty', 'text'],
)
def test_files_that_hold_no_ids(content: bytes, message: str) -> None:
    with pytest.raises(DecodingError, match=message):
        decode_labels(content)


def test_a_palette_is_ids_only_if_all_files_share_it(tmp_path: Path) -> None:
    picture = Image.fromarray(np.array([[0, 1, 2]], np.uint8), 'L').convert('P')
    for name, palette in {'a': [0, 0, 0, 128, 0, 0, 0, 128, 0], 'b': [0, 0, 0, 0, 128, 0, 128, 0, 0]}.items():
        picture.putpalette(palette)
        picture.save(tmp_path / f'{name}.png')
    load = LoadLabels()
    for _ in range(2):
        np.testing.assert_array_equal(load(labels(tmp_path / 'a.png'))['gt_seg_map'], [[0, 1, 2]])
    with pytest.raises(UserError, match=r'b\.png: index 1 of its palette is the colour \(0, 128, 0\), in .*a\.png'):
        load(labels(tmp_path / 'b.png'))
