"""Weights by timm's names: from a local folder, else through timm; what cannot be had is explained."""

from pathlib import Path

import pytest
import timm
import torch
from safetensors.torch import save_file

from scaseg.errors import UserError
from scaseg.weights import load_pretrained

NAME = 'timm/convnext_atto.d2_in1k'


def features() -> torch.nn.Module:
    return timm.create_model('convnext_atto', features_only=True)


def test_a_local_file_comes_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SCASEG_PRETRAINED', str(tmp_path))
    whole = timm.create_model('convnext_atto')
    save_file(whole.state_dict(), tmp_path / 'convnext_atto.d2_in1k.safetensors')
    encoder = features()
    report = load_pretrained(encoder, NAME)
    assert (report.matched, report.source) == (report.total, str(tmp_path / 'convnext_atto.d2_in1k.safetensors'))
    assert torch.equal(encoder.state_dict()['stem_0.weight'], whole.state_dict()['stem.0.weight'])


def test_timm_is_asked_for_what_is_not_here(monkeypatch: pytest.MonkeyPatch) -> None:
    whole, encoder = timm.create_model('convnext_atto'), features()
    monkeypatch.setattr(timm, 'create_model', lambda name, pretrained: whole)
    report = load_pretrained(encoder, NAME)
    assert (report.matched, report.source) == (report.total, 'timm (timm/convnext_atto.d2_in1k)')
    assert torch.equal(encoder.state_dict()['stem_0.weight'], whole.state_dict()['stem.0.weight'])


def test_a_download_that_fails_names_the_file_to_put_there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def create_model(name: str, pretrained: bool) -> None:
        raise OSError('no route to host')

    encoder = features()
    monkeypatch.setenv('SCASEG_PRETRAINED', str(tmp_path))
    monkeypatch.setattr(timm, 'create_model', create_model)
    expected = rf'no route to host.*huggingface.co/timm/convnext_atto.d2_in1k as {tmp_path}/convnext_atto.d2_in1k'
    with pytest.raises(UserError, match=expected):
        load_pretrained(encoder, NAME)


@pytest.mark.parametrize('name', ['timm/convnext_ato.d2_in1k', 'timm/convnext_atto.d3_in1k'])
def test_an_unknown_name_gets_the_nearest_ones(name: str) -> None:
    with pytest.raises(UserError, match=r'timm has no weights of this name; close: .*timm/convnext_atto.d2_in1k'):
        load_pretrained(features(), name)


def test_weights_of_another_model_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SCASEG_PRETRAINED', str(tmp_path))
    save_file(timm.create_model('resnet10t').state_dict(), tmp_path / 'resnet10t.c3_in1k.safetensors')
    with pytest.raises(UserError, match='At least 95% of the tensors'):
        load_pretrained(features(), 'timm/resnet10t.c3_in1k')
