"""SegFormer under the names of its authors: what is loaded must compute what was saved."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.errors import UserError
from scaseg.weights.official import convert_official
from scaseg.weights.official.segformer import convert_segformer

HEADS, RATIOS, DEPTHS, CHANNELS, WIDTH, CLASSES = (1, 2, 5, 8), (8, 4, 2, 1), (1, 2, 1, 1), (4, 8, 20, 32), 12, 5
ENCODER = dict(type='MixVisionTransformer', embed_dims=4, num_layers=list(DEPTHS), num_heads=list(HEADS))
ENCODER |= dict(sr_ratios=list(RATIOS))
HEAD = dict(type='SegFormerMLPHead', in_channels=list(CHANNELS), channels=WIDTH, num_classes=CLASSES)


class Official:
    """SegFormer in plain functions, evaluated; its weights come into being at random, under the authors' names."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}

    def tensor(self, name: str, *shape: int) -> Tensor:
        return self.state.setdefault(name, torch.rand(shape) - (0.0 if 'running_var' in name else 0.3))

    def linear(self, name: str, x: Tensor, out: int) -> Tensor:
        return F.linear(x, self.tensor(f'{name}.weight', out, x.shape[-1]), self.tensor(f'{name}.bias', out))

    def conv(self, name: str, x: Tensor, out: int, kernel: int, bias: bool = True, **options: int) -> Tensor:
        weight = self.tensor(f'{name}.weight', out, x.shape[1] // options.get('groups', 1), kernel, kernel)
        return F.conv2d(x, weight, self.tensor(f'{name}.bias', out) if bias else None, **options)

    def norm(self, name: str, x: Tensor, eps: float = 1e-5) -> Tensor:
        """LayerNorm of tokens."""
        c = x.shape[-1]
        return F.layer_norm(x, (c,), self.tensor(f'{name}.weight', c), self.tensor(f'{name}.bias', c), eps)

    def attention(self, name: str, x: Tensor, size: torch.Size, heads: int, ratio: int) -> Tensor:
        c, context = x.shape[-1], x
        if ratio > 1:
            context = self.conv(f'{name}.sr', x.mT.unflatten(2, size), c, ratio, stride=ratio).flatten(2).mT
            context = self.norm(f'{name}.norm', context)
        q, (k, v) = self.linear(f'{name}.q', x, c), self.linear(f'{name}.kv', context, 2 * c).chunk(2, dim=-1)
        q, k, v = (t.unflatten(2, (heads, -1)).transpose(1, 2) for t in (q, k, v))
        mixed = (q @ k.mT * (c // heads) ** -0.5).softmax(-1) @ v
        return self.linear(f'{name}.proj', mixed.transpose(1, 2).flatten(2), c)

    def mlp(self, name: str, x: Tensor, size: torch.Size) -> Tensor:
        c = x.shape[-1]
        y = self.linear(f'{name}.fc1', x, 4 * c).mT.unflatten(2, size)
        y = F.gelu(self.conv(f'{name}.dwconv.dwconv', y, 4 * c, 3, padding=1, groups=4 * c))
        return self.linear(f'{name}.fc2', y.flatten(2).mT, c)

    def encoder(self, x: Tensor) -> list[Tensor]:
        levels = []
        for i, (channels, depth, heads, ratio) in enumerate(zip(CHANNELS, DEPTHS, HEADS, RATIOS, strict=True), 1):
            kernel, stride = (7, 4) if i == 1 else (3, 2)
            name = f'backbone.patch_embed{i}'
            x = self.conv(f'{name}.proj', x, channels, kernel, stride=stride, padding=kernel // 2)
            size = x.shape[2:]
            x = self.norm(f'{name}.norm', x.flatten(2).mT)
            for j in range(depth):
                name = f'backbone.block{i}.{j}'
                x = x + self.attention(f'{name}.attn', self.norm(f'{name}.norm1', x, 1e-6), size, heads, ratio)
                x = x + self.mlp(f'{name}.mlp', self.norm(f'{name}.norm2', x, 1e-6), size)
            x = self.norm(f'backbone.norm{i}', x, 1e-6).mT.unflatten(2, size)
            levels.append(x)
        return levels

    def segmentor(self, x: Tensor) -> Tensor:
        levels, embedded = self.encoder(x), []
        for i in (4, 3, 2, 1):
            level = levels[i - 1]
            y = self.linear(f'decode_head.linear_c{i}.proj', level.flatten(2).mT, WIDTH).mT.unflatten(
                2, level.shape[2:]
            )
            embedded.append(F.interpolate(y, levels[0].shape[2:], mode='bilinear', align_corners=False))
        x, name = torch.cat(embedded, dim=1), 'decode_head.linear_fuse'
        x = self.conv(f'{name}.conv', x, WIDTH, 1, bias=False)
        mean, var, weight, bias = (
            self.tensor(f'{name}.bn.{part}', WIDTH) for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        self.tensor('decode_head.conv_seg.weight', CLASSES, WIDTH, 1, 1)  # there, but without use
        self.tensor('decode_head.conv_seg.bias', CLASSES)
        return self.conv('decode_head.linear_pred', F.relu(F.batch_norm(x, mean, var, weight, bias)), CLASSES, 1)


def segmentor() -> EncoderDecoder:
    return MODELS.build(dict(type='LeanEncoderDecoder', backbone=ENCODER, decode_head=HEAD)).eval()


@torch.no_grad()
def test_an_official_checkpoint_fills_the_segmentor(tmp_path: Path) -> None:
    official, image, model = Official(), torch.randn(2, 3, 64, 96), segmentor()
    expected = official.segmentor(image)
    torch.save({'state_dict': official.state, 'meta': {}}, tmp_path / 'segformer.b0.pth')
    model.load_state_dict(convert_official(model, tmp_path / 'segformer.b0.pth'))
    assert expected.std() > 0.1
    torch.testing.assert_close(model(image), expected, rtol=1e-4, atol=1e-4)


@torch.no_grad()
def test_the_official_epsilons_give_the_official_scores_to_rounding(tmp_path: Path) -> None:
    official, image = Official(), torch.randn(2, 3, 64, 96)
    official.segmentor(image)
    official.state = {name: tensor.double() for name, tensor in official.state.items()}
    expected = official.segmentor(image.double())
    torch.save(official.state, tmp_path / 'official.pth')
    exact = dict(ENCODER, type='OfficialMixVisionTransformer')
    errors = []
    for encoder in (exact, ENCODER):
        model = MODELS.build(dict(type='LeanEncoderDecoder', backbone=encoder, decode_head=HEAD)).eval().double()
        model.load_state_dict(convert_official(model, tmp_path / 'official.pth'))
        errors.append((model(image.double()) - expected).abs().max().item())
    assert errors[0] < 1e-12 < 1e-7 < errors[1]


def test_our_own_names_pass_unchanged() -> None:
    state = segmentor().state_dict()
    converted = convert_segformer(state)
    assert set(converted) == set(state)
    assert all(converted[name] is tensor for name, tensor in state.items())


def test_mmsegs_head_is_another_one(tmp_path: Path) -> None:
    official = Official()
    official.segmentor(torch.randn(1, 3, 64, 64))
    torch.save(official.state | {'decode_head.convs.0.conv.weight': torch.ones(1)}, tmp_path / 'official.pth')
    with pytest.raises(UserError, match=r'left over in the file: decode_head\.convs\.0\.conv\.weight'):
        convert_official(segmentor(), tmp_path / 'official.pth')
