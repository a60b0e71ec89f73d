"""load_model and predict: the labels of a test and of mmseg, every kind of input, and what is refused."""

import subprocess
import sys
from pathlib import Path

import mmcv
import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmseg.apis import MMSegInferencer, inference_model, init_model
from PIL import Image

import scaseg
from scaseg.apis import predict as predict_module
from scaseg.apis import test as evaluate
from scaseg.apis.predict import Predictor, load_model
from scaseg.errors import UserError

from .photo_model import CLASSES, REPOSITORY, make_run, save_model


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp('photos'))


@pytest.fixture(scope='module')
def model(run: Path) -> Predictor:
    return load_model(run)


@pytest.fixture
def photo(run: Path) -> Path:
    return run.parent / 'images' / 'scene0.jpg'


def test_importing_scaseg_is_light() -> None:
    code = (
        'import sys, scaseg; assert not {"torch", "mmengine", "mmseg", "numpy"} & set(sys.modules); '
        'assert "load_model" in dir(scaseg) or scaseg.__all__'
    )
    subprocess.run([sys.executable, '-c', code], check=True, cwd=REPOSITORY)
    assert scaseg.load_model is load_model
    with pytest.raises(AttributeError, match='no attribute'):
        _ = scaseg.nothing


@pytest.mark.parametrize('tta', [False, True], ids=['', 'tta'])
def test_labels_are_those_of_a_test(run: Path, tmp_path: Path, tta: bool) -> None:
    evaluate(run / 'photos.py', run / 'iter_6.pth', work_dir=tmp_path / 'work', out=tmp_path / 'out', tta=tta)
    results = load_model(run, tta=tta).predict(run.parent / 'images')
    assert [result.name for result in results] == ['scene0', 'scene1', 'scene2']
    for result in results:
        np.testing.assert_array_equal(result.labels, np.asarray(Image.open(tmp_path / 'out' / f'{result.name}.png')))
        assert len(np.unique(result.labels)) > 1


def test_labels_are_those_of_mmseg(run: Path, model: Predictor, photo: Path) -> None:
    result = model.predict(photo)
    theirs = init_model(str(run / 'photos.py'), str(run / 'iter_6.pth'), device='cpu')
    labels = inference_model(theirs, str(photo)).pred_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(result.labels, labels)
    np.testing.assert_array_equal(
        inference_model(theirs, mmcv.imread(str(photo))).pred_sem_seg.data[0].numpy(), labels
    )
    inferencer = MMSegInferencer(str(run / 'photos.py'), str(run / 'iter_6.pth'), device='cpu', show_progress=False)
    answer = inferencer(str(photo), return_vis=True)
    np.testing.assert_array_equal(answer['predictions'], labels)
    assert answer['visualization'].shape == (48, 72, 3)


def test_what_a_result_holds(model: Predictor, photo: Path) -> None:
    result = model.predict(str(photo))
    assert result.image.shape == (48, 72, 3) and result.image.dtype == np.uint8
    np.testing.assert_array_equal(result.image, mmcv.imread(str(photo), channel_order='rgb'))
    assert result.labels.shape == (48, 72) and result.labels.dtype == np.uint8
    assert result.classes == CLASSES and len(result.palette) == len(CLASSES)
    assert sum(result.areas.values()) == pytest.approx(100)
    assert list(result.areas.values()) == sorted(result.areas.values(), reverse=True)
    for name, share in result.areas.items():
        assert share == pytest.approx(100 * (result.labels == CLASSES.index(name)).mean())
    assert (result.name, result.source) == ('scene0', photo)
    assert model.predict(photo, confidence=False).confidence is None


def test_confidence_is_the_probability_of_the_label(run: Path, model: Predictor, photo: Path) -> None:
    result = model.predict(photo)
    theirs = init_model(Config.fromfile(run / 'photos.py'), str(run / 'iter_6.pth'), device='cpu')
    theirs.test_cfg = {'full_logits': True}
    probabilities = inference_model(theirs, str(photo)).seg_logits.data.softmax(dim=0)
    np.testing.assert_allclose(result.confidence, probabilities.amax(dim=0).numpy(), atol=1e-6)
    assert result.confidence.dtype == np.float32


def test_every_kind_of_input_gives_the_same_labels(
    model: Predictor, photo: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    labels = model.predict(photo).labels
    rgb = mmcv.imread(str(photo), channel_order='rgb')
    opaque = np.dstack([rgb, np.full(rgb.shape[:2], 255, np.uint8)])
    tensor = torch.from_numpy(rgb).permute(2, 0, 1)
    for source in (rgb, opaque, rgb / 255, Image.fromarray(rgb), Image.fromarray(opaque), tensor, tensor / 255):
        np.testing.assert_array_equal(model.predict(source).labels, labels)
    for source in ([photo], [rgb], np.stack([rgb, rgb]), torch.stack([tensor, tensor]), photo.parent / '*e0.jpg'):
        results = model.predict(source)
        assert isinstance(results, list)
        for result in results:
            np.testing.assert_array_equal(result.labels, labels)
    monkeypatch.chdir(photo.parent)
    np.testing.assert_array_equal(model.predict('s*e0.jpg')[0].labels, labels)
    assert [result.name for result in model.predict([rgb, photo])] == ['image_0000', 'scene0']


def test_gray_and_turned_pictures(model: Predictor, photo: Path, tmp_path: Path) -> None:
    gray = Image.open(photo).convert('L')
    gray.save(tmp_path / 'gray.png')
    expected = model.predict(np.stack([np.asarray(gray)] * 3, axis=-1)).labels
    for source in (tmp_path / 'gray.png', gray, np.asarray(gray), np.asarray(gray)[..., None]):
        np.testing.assert_array_equal(model.predict(source).labels, expected)
    upright = Image.open(photo)
    exif = upright.getexif()
    exif[0x112] = 6  # to be turned by 90 degrees clockwise for display
    upright.transpose(Image.Transpose.ROTATE_90).save(tmp_path / 'turned.png', exif=exif)
    for source in (tmp_path / 'turned.png', Image.open(tmp_path / 'turned.png')):
        np.testing.assert_array_equal(model.predict(source).labels, model.predict(photo).labels)


def test_batches_hold_pictures_of_equal_size(model: Predictor, run: Path) -> None:
    single = model.predict(run.parent / 'images')
    sizes = []
    handle = model.segmentor.backbone.register_forward_pre_hook(lambda _, args: sizes.append(tuple(args[0].shape)))
    together = model.predict(run.parent / 'images', batch_size=2)
    handle.remove()
    assert sorted(size[0] for size in sizes) == [1, 2]
    for one, other in zip(single, together, strict=True):
        assert (one.labels == other.labels).mean() > 0.999 and one.name == other.name


def test_large_inputs_are_seen_through_windows(
    model: Predictor, photo: Path, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(predict_module, 'LARGEST_INPUT', 1000)
    monkeypatch.setattr(predict_module, 'WINDOW', 64)
    monkeypatch.setattr(predict_module, 'STRIDE', 32)
    slid = dict(mode='slide', crop_size=(64, 64), stride=(32, 32))
    expected = load_model(run, options={f'model.test_cfg.{key}': value for key, value in slid.items()})
    np.testing.assert_array_equal(model.predict(photo).labels, expected.predict(photo).labels)
    assert model.segmentor.test_cfg.get('mode', 'whole') == 'whole'


def test_models_of_mmseg(tmp_path: Path, photo: Path) -> None:
    base = Path(mmcv.__file__).parents[1] / 'mmseg' / '.mim' / 'configs' / '_base_'
    names = ('models/segformer_mit-b0', 'datasets/ade20k', 'default_runtime', 'schedules/schedule_20k')
    text = f'_base_ = {[str(base / f"{name}.py") for name in names]}\n'
    text += 'model = dict(pretrained=None, data_preprocessor=dict(size=(64, 64)), decode_head=dict(num_classes=10))\n'
    config = tmp_path / 'segformer.py'
    config.write_text(text)
    save_model(config, tmp_path / 'weights.pth')
    ours = load_model(config, tmp_path / 'weights.pth', options={'model.test_cfg.mode': 'whole'}).predict(photo)
    theirs = init_model(str(config), str(tmp_path / 'weights.pth'), device='cpu')
    labels = inference_model(theirs, str(photo)).pred_sem_seg.data[0].numpy()
    np.testing.assert_array_equal(ours.labels, labels)
    assert 0 < ours.confidence.min() <= ours.confidence.max() <= 1


@pytest.mark.parametrize(
    ('source', 'message'),
    [
        ('nowhere.jpg', 'nowhere.jpg: no such file or folder'),
        ('no*where.jpg', 'no file matches this pattern'),
        (np.zeros((4, 4, 3), np.uint16), 'type uint16: scale it'),
        (np.full((4, 4, 3), 2.0), 'values beyond 0..1'),
        (np.zeros((4, 4, 7), np.uint8), r'shape \(4, 4, 7\): expected'),
        (np.zeros((0, 4, 3), np.uint8), r'shape \(0, 4, 3\): expected'),
        (torch.zeros(4, 4, 3), r'tensor of shape \(4, 4, 3\)'),
        (Image.new('I;16', (4, 4)), 'more than 8 bits'),
        (17, 'int is not a picture'),
    ],
)
def test_what_is_no_picture_is_refused(model: Predictor, source: object, message: str) -> None:
    with pytest.raises(UserError, match=message):
        model.predict(source)


def test_files_that_are_refused(model: Predictor, tmp_path: Path, photo: Path) -> None:
    with pytest.raises(UserError, match='the folder holds no image'):
        model.predict(tmp_path)
    (tmp_path / 'broken.jpg').write_bytes(photo.read_bytes()[:500])
    with pytest.raises(UserError, match=r'broken\.jpg: this image cannot be read'):
        model.predict(tmp_path)
    Image.fromarray(np.full((4, 4), 40000, np.uint16)).save(tmp_path / 'deep.png')
    with pytest.raises(UserError, match=r'deep.png: the image is of type uint16'):
        model.predict(tmp_path / 'deep.png')
    for folder in ('a', 'b'):
        (tmp_path / folder).mkdir()
        (tmp_path / folder / 'x.jpg').write_bytes(photo.read_bytes())
    with pytest.raises(UserError, match='have one name'):
        model.predict([tmp_path / 'a', tmp_path / 'b'])


def test_devices(run: Path) -> None:
    for device, message in (('cuda:7', 'torch finds'), ('tpu', 'neither cpu nor cuda')):
        with pytest.raises(UserError, match=message):
            load_model(run, device=device)
    with pytest.raises(UserError, match='half precision needs a GPU'):
        load_model(run, device='cpu', half=True)
