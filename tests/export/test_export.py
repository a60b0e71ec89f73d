"""Exports of a small network: the same labels, a folder that loads, refusals that leave nothing behind."""

import json
import runpy
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import MODELS
from PIL import Image
from safetensors.torch import load_file

from scaseg import load_model
from scaseg.apis.config import load_config
from scaseg.errors import UserError
from scaseg.export import export_model

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture
def trained(config: Path, tmp_path: Path) -> tuple[Path, Path]:
    """A config and a checkpoint with random weights."""
    model = MODELS.build(load_config(config).model)
    model.init_weights()
    torch.save({'state_dict': model.state_dict(), 'meta': {}}, tmp_path / 'weights.pth')
    return config, tmp_path / 'weights.pth'


def picture(folder: Path) -> Path:
    pixels = np.random.default_rng(0).integers(0, 256, (64, 96, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(folder / 'picture.png')
    return folder / 'picture.png'


def test_an_onnx_file_labels_images_without_this_code(
    trained: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    proof = export_model(*trained, 'onnx', tmp_path / 'net.onnx', with_preprocessing=True)
    assert proof is not None and proof.flips <= 1e-3 and proof.relative_error is None
    image, out = picture(tmp_path), tmp_path / 'labels.png'
    monkeypatch.setattr(sys, 'argv', ['', str(tmp_path / 'net.onnx'), str(image), str(out)])
    runpy.run_path(str(REPOSITORY / 'examples' / 'onnxruntime_only.py'), run_name='__main__')
    predictor = load_model(*trained)
    found = Image.open(out)
    assert (np.asarray(found) != predictor.predict(image).labels).mean() <= 1e-3
    assert found.getpalette()[:3] == list(predictor.palette[0])
    assert ' %' in capsys.readouterr().out


def test_the_example_imports_nothing_of_ours() -> None:
    source = (REPOSITORY / 'examples' / 'onnxruntime_only.py').read_text()
    imported = {line.split()[1].split('.')[0] for line in source.splitlines() if line.startswith(('import ', 'from '))}
    assert imported == {'argparse', 'json', 'numpy', 'onnxruntime', 'PIL'}


def test_torch_export_and_weights(trained: tuple[Path, Path], tmp_path: Path) -> None:
    proof = export_model(*trained, 'pt2', tmp_path / 'net.pt2')
    assert proof is not None and proof.flips <= 1e-3 and proof.relative_error < 1e-4
    assert export_model(*trained, 'safetensors', tmp_path / 'net.safetensors') is None
    tensors = torch.load(trained[1], weights_only=True)['state_dict']
    saved = load_file(tmp_path / 'net.safetensors')
    assert set(saved) == set(tensors) and all(torch.equal(saved[name], tensors[name]) for name in saved)


def test_a_model_folder_loads_without_the_training_config(trained: tuple[Path, Path], tmp_path: Path) -> None:
    export_model(*trained, 'folder', tmp_path / 'model')
    files = {path.name for path in (tmp_path / 'model').iterdir()}
    assert files == {'README.md', 'classes.json', 'config.json', 'model.safetensors'}
    assert 'optim_wrapper' not in json.loads((tmp_path / 'model' / 'config.json').read_text())
    image, from_folder, from_run = picture(tmp_path), load_model(tmp_path / 'model'), load_model(*trained)
    assert from_folder.classes == from_run.classes
    assert np.array_equal(from_folder.predict(image).labels, from_run.predict(image).labels)


def test_what_is_refused_leaves_nothing_behind(trained: tuple[Path, Path], tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    with pytest.raises(UserError, match=r'another one: .* of labels flip.*nothing was written'):
        export_model(*trained, 'pt2', tmp_path / 'net.pt2', most_flips=-1.0)
    with pytest.raises(UserError, match=r'--out .*weights.pth exists already'):
        export_model(*trained, 'folder', trained[1])
    assert sorted(tmp_path.iterdir()) == before
