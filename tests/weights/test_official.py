"""The frame of the conversions: what it takes off, what it keeps, what it refuses."""

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

from scaseg.errors import UserError
from scaseg.weights.official import CONVERTERS, convert_official


class Segmentor(nn.Module):
    """An encoder with all kinds of tensors, and a head whose class has a conversion."""

    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.decode_head = nn.Linear(4, 2)


@pytest.fixture(autouse=True)
def _conversion(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTERS, 'Linear', dict)


def published() -> dict[str, Tensor]:
    return {name: torch.rand_like(t) for name, t in Segmentor().state_dict().items() if t.is_floating_point()}


def save(content: object, folder: Path) -> Path:
    path = folder / 'official.pth'
    torch.save(content, path)
    return path


@pytest.mark.parametrize('container', ['state_dict', 'state_dict_ema', 'model', None])
@pytest.mark.parametrize('prefix', ['', 'module.'])
def test_containers_and_prefixes_are_taken_off(container: str | None, prefix: str, tmp_path: Path) -> None:
    model, tensors = Segmentor(), published()
    content = {prefix + name: tensor for name, tensor in tensors.items()}
    path = save({container: content, 'meta': {'epoch': 3}} if container else content, tmp_path)
    state = convert_official(model, path)
    assert list(state) == list(model.state_dict())
    assert all(torch.equal(state[name], tensor) for name, tensor in tensors.items())
    model.load_state_dict(state)


def test_the_model_is_left_as_it_is(tmp_path: Path) -> None:
    model = Segmentor()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    convert_official(model, save(published(), tmp_path))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())


def test_a_tensor_that_the_file_lacks_is_named(tmp_path: Path) -> None:
    tensors = published()
    del tensors['backbone.1.running_mean']
    with pytest.raises(
        UserError, match=r'official\.pth does not fit .*missing in the file: backbone\.1\.running_mean'
    ):
        convert_official(Segmentor(), save(tensors, tmp_path))


def test_a_tensor_of_another_shape_is_named(tmp_path: Path) -> None:
    tensors = published() | {'decode_head.bias': torch.zeros(150)}
    with pytest.raises(UserError, match=r'wrong shape: decode_head\.bias \(150,\) for \(2,\)'):
        convert_official(Segmentor(), save(tensors, tmp_path))


def test_tensors_that_are_left_over_are_named(tmp_path: Path) -> None:
    tensors = published() | {f'auxiliary_head.{i}': torch.zeros(1) for i in range(9)}
    with pytest.raises(UserError, match=r'left over in the file: auxiliary_head\.0, .* and 5 more'):
        convert_official(Segmentor(), save(tensors, tmp_path))


def test_half_of_a_joined_tensor_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(CONVERTERS, 'Linear', lambda state: {'q': state['attn.q'], 'kv': state['attn.kv']})
    with pytest.raises(UserError, match=r'missing in the file: attn\.kv'):
        convert_official(Segmentor(), save({'attn.q': torch.zeros(1)}, tmp_path))


def test_a_head_without_a_conversion_is_refused(tmp_path: Path) -> None:
    model = Segmentor()
    model.decode_head = nn.Identity()
    with pytest.raises(UserError, match=r'no official checkpoints are known for Identity; .* HamburgerHead'):
        convert_official(model, save(published(), tmp_path))


def test_what_is_no_checkpoint_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'nowhere\.pth: no such checkpoint'):
        convert_official(Segmentor(), tmp_path / 'nowhere.pth')
    with pytest.raises(UserError, match=r'official\.pth: it holds no state dict'):
        convert_official(Segmentor(), save({'epoch': 3}, tmp_path))
