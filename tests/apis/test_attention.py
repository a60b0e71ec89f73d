"""Where a network looks: every kind of head, the pages and pictures, what is refused, and the curves of a training."""

import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS

from scaseg.apis import train
from scaseg.apis.attention import inspect_attention, receptive_field
from scaseg.apis.attention_files import attention_files
from scaseg.apis.config import load_config
from scaseg.apis.predict import Predictor, load_model
from scaseg.errors import UserError
from scaseg.visualization.strip_curves import plot_strip_curves

from .photo_model import CLASSES, PALETTE, REPOSITORY, make_run

KINDS = {
    'scaseg/scaseg': ['strip'] * 3,
    'ccnet/ccnet': ['criss-cross'] * 2,
    'seaformer/sea': ['squeezed axial'] * 3,
    'segvit/segvit': ['attention-to-mask'] * 9,
}


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp('photos'))


@pytest.fixture(scope='module')
def model(run: Path) -> Predictor:
    return load_model(run)


@pytest.fixture
def photo(run: Path) -> Path:
    return run.parent / 'images' / 'scene0.jpg'


@pytest.mark.parametrize('name', KINDS)
def test_every_kind_of_attention_is_shown(name: str) -> None:
    cfg = load_config(REPOSITORY / f'configs/{name}_convnext-atto_1xb8-1500it_toyscenes-128x128.py')
    network = MODELS.build(cfg.model).eval()
    predictor = Predictor(network, cfg.test_pipeline[::2], CLASSES, PALETTE, torch.device('cpu'))
    view = inspect_attention(predictor, np.random.default_rng(0).random((64, 96, 3)), at=(90, 3))
    assert [layer.kind for layer in view.layers] == KINDS[name]
    for layer in view.layers:
        np.testing.assert_allclose(layer.weights.sum((1, 2)), 1, rtol=1e-4)
        assert ((layer.entropy >= 0) & (layer.entropy <= 1.0001)).all()
    _, field = receptive_field(predictor, np.random.default_rng(0).random((64, 96, 3)), at=(90, 3))
    assert field.shape == (64, 96) and field.sum() == pytest.approx(1, rel=1e-4)
    assert field[:32, 48:].sum() > 0.25  # the quarter around the pixel


def test_two_passes_of_criss_cross_attention_see_everything() -> None:
    cfg = load_config(REPOSITORY / 'configs/ccnet/ccnet_convnext-atto_1xb8-1500it_toyscenes-128x128.py')
    predictor = Predictor(
        MODELS.build(cfg.model).eval(), cfg.test_pipeline[::2], CLASSES, PALETTE, torch.device('cpu')
    )
    one, two = inspect_attention(predictor, np.random.default_rng(0).random((64, 96, 3)), at=(5, 5)).layers
    height, width = one.weights.shape[1:]
    assert (one.weights > 0).sum() == height + width - 1
    assert (two.weights > 0).all()


def test_a_class_is_the_mean_over_its_pixels(model: Predictor, photo: Path) -> None:
    result = model.predict(photo)
    name = next(iter(result.areas))
    view = inspect_attention(model, photo, class_name=name)
    assert view.class_name == name and view.point is None
    assert all(layer.strip is not None for layer in view.layers)
    for layer in view.layers:
        assert layer.strip.queries.min() <= layer.strip.marked.min() <= layer.strip.queries.max()


def test_files(run: Path, photo: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = [str(run), str(photo), '--at', '10', '20', '--out', str(tmp_path / 'out')]
    monkeypatch.setattr(sys, 'argv', ['tools/attention.py', *arguments])
    runpy.run_path(str(REPOSITORY / 'tools' / 'attention.py'), run_name='__main__')
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert names == {'scene0.html', 'scene0_maps.png', 'scene0_curves.png', 'scene0_field.png'}
    page = (tmp_path / 'out' / 'scene0.html').read_text()
    assert 'Effective receptive field' in page and page.count('data:image/png') == 4
    (tmp_path / 'out' / 'scene0.html').write_text('mine')
    with pytest.raises(UserError, match=r'scene0.html exists and was not written by scaseg'):
        attention_files(run, None, photo, tmp_path / 'out', at=(1, 1))
    assert (tmp_path / 'out' / 'scene0.html').read_text() == 'mine'


def test_questions_that_are_refused(run: Path, model: Predictor, photo: Path) -> None:
    for question, message in (
        (dict(at=(72, 0)), r'--at 72 0: the picture has columns 0..71 and rows 0..47'),
        (dict(class_name='zebra'), 'zebra: the model knows sky'),
        ({}, 'give a pixel'),
        (dict(at=(0, 0), class_name='sky'), 'one of the two'),
    ):
        with pytest.raises(UserError, match=message):
            inspect_attention(model, photo, **question)
    absent = next(name for name in CLASSES if name not in model.predict(photo).areas)
    with pytest.raises(UserError, match=f'{absent}: no pixel has this label'):
        inspect_attention(model, photo, class_name=absent)
    with pytest.raises(UserError, match='without test-time augmentation'):
        inspect_attention(load_model(run, tta=True), photo, at=(0, 0))
    linear = load_config(REPOSITORY / 'configs/ablations/linear_convnext-atto_1xb8-1500it_toyscenes-128x128.py')
    predictor = Predictor(
        MODELS.build(linear.model).eval(), linear.test_pipeline[::2], CLASSES, PALETTE, torch.device('cpu')
    )
    with pytest.raises(UserError, match='no attention layer'):
        inspect_attention(predictor, photo, at=(0, 0))


def test_curves_of_a_training(config: Path, tmp_path: Path) -> None:
    hooks = {'custom_hooks': [dict(type='StripStatisticsHook', interval=2)], 'train_cfg.max_iters': 4}
    train(config, work_dir=tmp_path / 'work', options=hooks)
    (log,) = (tmp_path / 'work').glob('*/vis_data/scalars.json')
    assert 'strip/decode_head.blocks.0.attention/head0/entropy' in log.read_text()
    plot_strip_curves(tmp_path / 'work', tmp_path / 'attention.png')
    assert (tmp_path / 'attention.png').is_file()
    log.write_text('{"loss": 1.0, "iter": 1, "step": 1}\n')
    with pytest.raises(UserError, match='no statistics of strip attention'):
        plot_strip_curves(tmp_path / 'work', tmp_path / 'attention.png')
