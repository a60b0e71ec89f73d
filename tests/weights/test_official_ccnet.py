"""CCNet under the names of its authors: what is loaded must compute what was saved."""

import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import Config
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.apis.config import load_config
from scaseg.errors import UserError
from scaseg.ops.criss_cross.naive import criss_cross
from scaseg.weights.official import convert_official
from scaseg.weights.official.ccnet import convert_ccnet

CONFIG = Path(__file__).parents[2] / 'configs/ccnet/ccnet_r101-d8-official_4xb2-60k_cityscapes-769x769.py'
BLOCKS, BASE, WIDTH, CLASSES = (3, 4, 6, 3), 4, 16, 5
IMAGE = (2, 3, 33, 49)  # odd: with ceil_mode, as in the official code, or without, pooling gives the same size


class Official:
    """CCNet on ResNet-50 in plain functions, evaluated; its weights come up at random, under the authors' names."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}

    def tensor(self, name: str, *shape: int) -> Tensor:
        """Weights of norms may be negative; those of convolutions keep the scale of their input."""
        values = torch.rand(shape) - (0.0 if 'running_var' in name else 0.4)
        return self.state.setdefault(name, values / math.prod(shape[1:]) ** 0.5)

    def conv(self, name: str, x: Tensor, out: int, kernel: int, bias: bool = False, **options: int) -> Tensor:
        weight = self.tensor(f'{name}.weight', out, x.shape[1], kernel, kernel)
        padding = kernel // 2 * options.get('dilation', 1)
        return F.conv2d(x, weight, self.tensor(f'{name}.bias', out) if bias else None, padding=padding, **options)

    def abn(self, name: str, x: Tensor) -> Tensor:
        """InPlaceABN without its activation."""
        mean, var, weight, bias = (
            self.tensor(f'{name}.{part}', x.shape[1]) for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        return F.batch_norm(x, mean, var, weight.abs() + 1e-5, bias)

    def bottleneck(self, name: str, x: Tensor, width: int, stride: int, dilation: int) -> Tensor:
        y = F.relu(self.abn(f'{name}.bn1', self.conv(f'{name}.conv1', x, width, 1)))
        y = self.conv(f'{name}.conv2', y, width, 3, stride=stride, dilation=dilation)
        y = self.conv(f'{name}.conv3', F.relu(self.abn(f'{name}.bn2', y)), 4 * width, 1)
        y = self.abn(f'{name}.bn3', y)
        if stride > 1 or x.shape[1] != 4 * width:
            x = self.abn(f'{name}.downsample.1', self.conv(f'{name}.downsample.0', x, 4 * width, 1, stride=stride))
        return F.relu(x + y)

    def encoder(self, x: Tensor) -> list[Tensor]:
        for i, (out, stride) in enumerate([(BASE, 2), (BASE, 1), (2 * BASE, 1)], 1):
            x = F.relu(self.abn(f'bn{i}', self.conv(f'conv{i}', x, out, 3, stride=stride)))
        x = F.max_pool2d(x, 3, stride=2, padding=1, ceil_mode=True)
        levels = []
        for i, (blocks, stride, dilation) in enumerate(zip(BLOCKS, (1, 2, 1, 1), (1, 1, 2, 4), strict=True)):
            for j in range(blocks):
                name = f'layer{i + 1}.{j}'
                x = self.bottleneck(name, x, BASE * 2**i, stride if j == 0 else 1, dilation)
            levels.append(x)
        return levels

    def conv_abn(self, name: str, x: Tensor, bias: bool = False) -> Tensor:
        return F.leaky_relu(self.abn(f'{name}.1', self.conv(f'{name}.0', x, WIDTH, 3, bias)), 0.01)

    def attention(self, x: Tensor) -> Tensor:
        q, k, v = (
            self.conv(f'head.cca.{name}_conv', x, out, 1, bias=True)
            for name, out in (('query', WIDTH // 8), ('key', WIDTH // 8), ('value', WIDTH))
        )
        return self.tensor('head.cca.gamma', 1) * criss_cross(q, k, v) + x

    def segmentor(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Logits of the head and of the auxiliary head."""
        _, _, deep, deepest = self.encoder(x)
        auxiliary = self.conv('dsn.3', self.conv_abn('dsn', deep, bias=True), CLASSES, 1, bias=True)
        y = self.attention(self.attention(self.conv_abn('head.conva', deepest)))
        y = torch.cat([deepest, self.conv_abn('head.convb', y)], dim=1)
        return self.conv('head.bottleneck.3', self.conv_abn('head.bottleneck', y), CLASSES, 1, bias=True), auxiliary


def small(cfg: Config) -> EncoderDecoder:
    """The model of the config for official checkpoints, with fewer channels."""
    model = cfg.model
    model.pretrained = None
    model.backbone.update(depth=50, base_channels=BASE, stem_channels=2 * BASE)
    model.decode_head.update(in_channels=32 * BASE, channels=WIDTH, num_classes=CLASSES)
    model.auxiliary_head.update(in_channels=16 * BASE, channels=WIDTH, num_classes=CLASSES)
    return MODELS.build(model).eval()


@torch.no_grad()
def test_an_official_checkpoint_fills_the_segmentor(tmp_path: Path) -> None:
    official, image, model = Official(), torch.randn(IMAGE), small(load_config(CONFIG))
    expected, expected_auxiliary = official.segmentor(image)
    torch.save({f'module.{name}': tensor for name, tensor in official.state.items()}, tmp_path / 'CS_scenes.pth')
    model.load_state_dict(convert_official(model, tmp_path / 'CS_scenes.pth'))
    levels = model.extract_feat(image)
    assert expected.std() > 1e-3 and expected_auxiliary.std() > 1e-3
    torch.testing.assert_close(model.decode_head(levels), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(model.auxiliary_head(levels), expected_auxiliary, rtol=1e-4, atol=1e-5)


def test_the_bias_before_a_norm_moves_its_mean() -> None:
    state = {'dsn.0.bias': torch.tensor([1.0, 2.0]), 'dsn.1.running_mean': torch.tensor([5.0, 5.0])}
    converted = convert_ccnet(state)
    assert {name: tensor.tolist() for name, tensor in converted.items()} == {
        'auxiliary_head.convs.0.bn.running_mean': [4.0, 3.0]
    }
    assert state['dsn.1.running_mean'].tolist() == [5.0, 5.0]


def test_mmsegs_names_pass_unchanged() -> None:
    state = {
        name: torch.randn_like(t)
        for name, t in small(load_config(CONFIG)).state_dict().items()
        if t.dtype.is_floating_point
    }
    converted = convert_ccnet(state)
    assert list(converted) == list(state)
    assert all(converted[name] is tensor for name, tensor in state.items())


def test_unknown_names_pass_and_are_found(tmp_path: Path) -> None:
    official = Official()
    official.segmentor(torch.randn(1, 3, 33, 33))
    torch.save(official.state | {'layer5.0.weight': torch.ones(1)}, tmp_path / 'official.pth')
    with pytest.raises(UserError, match=r'left over in the file: layer5\.0\.weight'):
        convert_official(small(load_config(CONFIG)), tmp_path / 'official.pth')
