"""SeaFormer under the names of its authors: what is loaded must compute what was saved."""

from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.errors import UserError
from scaseg.models import SeaFormer
from scaseg.weights import load_pretrained
from scaseg.weights.official import convert_official
from scaseg.weights.official.seaformer import convert_seaformer

STAGES = [
    [(3, 1, 8, 1), (3, 4, 12, 2), (3, 3, 12, 1)],
    [(5, 3, 16, 2), (5, 3, 16, 1)],
    [(3, 3, 20, 2)],
    [(5, 3, 24, 2)],
    [(3, 6, 32, 2)],
]
ENCODER = dict(type='SeaFormer', stages=STAGES, stem_channels=8, depths=[1, 2], key_dims=[4, 6], num_heads=2)
ENCODER |= dict(ffn_ratios=[2, 4])
HEAD = dict(type='LightFusionHead', in_channels=[16, 24, 32], embed_dims=[12, 20], num_classes=5)


class Official:
    """SeaFormer in plain functions, evaluated; its weights come into being at random, under the authors' names."""

    def __init__(self) -> None:
        self.state: dict[str, Tensor] = {}

    def tensor(self, name: str, *shape: int) -> Tensor:
        return self.state.setdefault(name, torch.rand(shape) - (0.0 if 'running_var' in name else 0.3))

    def conv(self, name: str, x: Tensor, out: int, kernel: int = 1, stride: int = 1, groups: int = 1) -> Tensor:
        weight = self.tensor(f'{name}.weight', out, x.shape[1] // groups, kernel, kernel)
        return F.conv2d(x, weight, None, stride, kernel // 2, groups=groups)

    def norm(self, name: str, x: Tensor) -> Tensor:
        mean, var, weight, bias = (
            self.tensor(f'{name}.{part}', x.shape[1]) for part in ('running_mean', 'running_var', 'weight', 'bias')
        )
        self.state[f'{name}.num_batches_tracked'] = torch.tensor(7)
        return F.batch_norm(x, mean, var, weight, bias)

    def conv_bn(self, name: str, *args: object, inner: str = 'c', **options: int) -> Tensor:
        return self.norm(f'{name}.bn', self.conv(f'{name}.{inner}', *args, **options))

    def mobilenet_block(self, name: str, x: Tensor, kernel: int, expansion: int, out: int, stride: int) -> Tensor:
        hidden, layer, y = x.shape[1] * expansion, 0, x
        if expansion > 1:
            y, layer = F.relu(self.conv_bn(f'{name}.conv.0', y, hidden)), 2
        y = F.relu(self.conv_bn(f'{name}.conv.{layer}', y, hidden, kernel, stride, groups=hidden))
        y = self.conv_bn(f'{name}.conv.{layer + 2}', y, out)
        return x + y if stride == 1 and x.shape[1] == out else y

    def axis(self, name: str, axis: str, q: Tensor, k: Tensor, v: Tensor, heads: int) -> Tensor:
        length = q.shape[-1]
        q, k = (
            x
            + F.interpolate(
                self.tensor(f'{name}.pos_emb_{axis}{letter}.pos_embed', 1, x.shape[1], 16), length, mode='linear'
            )
            for letter, x in (('q', q), ('k', k))
        )
        q, k, v = (x.unflatten(1, (heads, -1)) for x in (q, k, v))
        weights = (torch.einsum('bhdi,bhdj->bhij', q, k) * q.shape[2] ** -0.5).softmax(-1)
        mixed = torch.einsum('bhij,bhdj->bhdi', weights, v).flatten(1, 2)[..., None]
        return self.conv_bn(f'{name}.proj_encode_{axis}.1', F.relu6(mixed), mixed.shape[1])

    def attention(self, name: str, x: Tensor, keys: int, heads: int) -> Tensor:
        q, k, v = (
            self.conv_bn(f'{name}.to_{letter}', x, c) for letter, c in (('q', keys), ('k', keys), ('v', 2 * keys))
        )
        detail = self.conv_bn(f'{name}.dwconv', torch.cat([q, k, v], 1), 4 * keys, 3, groups=4 * keys)
        detail = self.conv_bn(f'{name}.pwconv', F.relu6(detail), x.shape[1])
        rows = self.axis(name, 'row', q.mean(3), k.mean(3), v.mean(3), heads)
        columns = self.axis(name, 'column', q.mean(2), k.mean(2), v.mean(2), heads).transpose(2, 3)
        out = self.conv_bn(f'{name}.proj.1', F.relu6(v + rows + columns), x.shape[1])
        return F.relu6(out + 3) / 6 * detail

    def block(self, name: str, x: Tensor, keys: int, heads: int, ratio: int) -> Tensor:
        x = x + self.attention(f'{name}.attn', x, keys, heads)
        hidden = ratio * x.shape[1]
        y = self.conv_bn(f'{name}.mlp.fc1', x, hidden)
        y = self.conv(f'{name}.mlp.dwconv', y, hidden, 3, groups=hidden)
        y = y + self.tensor(f'{name}.mlp.dwconv.bias', hidden)[:, None, None]
        return x + self.conv_bn(f'{name}.mlp.fc2', F.relu6(y), x.shape[1])

    def encoder(self, x: Tensor, prefix: str = '') -> list[Tensor]:
        x = F.relu(self.conv_bn(f'{prefix}smb1.stem_block.0', x, 8, 3, 2))
        levels = []
        for i, stage in enumerate(STAGES, 1):
            for j, (kernel, expansion, out, stride) in enumerate(stage, 1):
                x = self.mobilenet_block(f'{prefix}smb{i}.layer{j}', x, kernel, expansion, out, stride)
            for j in range({4: 1, 5: 2}.get(i, 0)):
                name = f'{prefix}trans{i - 3}.transformer_blocks.{j}'
                x = self.block(name, x, keys=2 * {4: 4, 5: 6}[i], heads=2, ratio={4: 2, 5: 4}[i])
            if i in (2, 4, 5):
                levels.append(x)
        return levels

    def segmentor(self, x: Tensor) -> Tensor:
        detail, *contexts = self.encoder(x, 'backbone.')
        for i, (context, width) in enumerate(zip(contexts, (12, 20), strict=True), 1):
            name = f'decode_head.fuse{i}'
            gate = F.relu6(self.conv_bn(f'{name}.global_act', context, width, inner='conv') + 3) / 6
            gate = F.interpolate(gate, detail.shape[-2:], mode='bilinear')
            detail = gate * self.conv_bn(f'{name}.local_embedding', detail, width, inner='conv')
        x = F.relu(self.conv_bn('decode_head.linear_fuse', detail, 20, groups=20, inner='conv'))
        return self.conv('decode_head.conv_seg', x, 5) + self.tensor('decode_head.conv_seg.bias', 5)[:, None, None]


def segmentor() -> EncoderDecoder:
    return MODELS.build(dict(type='LeanEncoderDecoder', backbone=ENCODER, decode_head=HEAD)).eval()


@pytest.mark.parametrize('container', ['state_dict_ema', 'state_dict', 'model'])
@torch.no_grad()
def test_a_classification_checkpoint_fills_the_encoder(container: str, tmp_path: Path) -> None:
    official, image = Official(), torch.randn(2, 3, 64, 97)
    expected = official.encoder(image)
    classifier = {'linear.weight': torch.rand(10, 32), 'linear.bias': torch.rand(10)}
    torch.save({container: official.state | classifier, 'epoch': 600}, tmp_path / 'SeaFormer_T.pth')
    encoder: SeaFormer = MODELS.build(ENCODER)
    report = load_pretrained(encoder, str(tmp_path / 'SeaFormer_T.pth'))
    assert report.matched == report.total and report.unexpected == ('linear.weight', 'linear.bias')
    for level, own in zip(expected, encoder.eval()(image), strict=True):
        torch.testing.assert_close(own, level, rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_a_segmentation_checkpoint_fills_the_segmentor(tmp_path: Path) -> None:
    official, image, model = Official(), torch.randn(2, 3, 64, 97), segmentor()
    expected = official.segmentor(image)
    torch.save({'state_dict': official.state, 'meta': {}}, tmp_path / 'official.pth')
    model.load_state_dict(convert_official(model, tmp_path / 'official.pth'))
    torch.testing.assert_close(model(image), expected, rtol=1e-4, atol=1e-5)


def test_its_encoder_alone_can_be_loaded(tmp_path: Path) -> None:
    official = Official()
    official.segmentor(torch.randn(1, 3, 64, 64))
    torch.save({'state_dict': official.state}, tmp_path / 'official.pth')
    report = load_pretrained(MODELS.build(ENCODER), str(tmp_path / 'official.pth'))
    assert report.matched == report.total and report.unexpected == ()


def test_unknown_names_pass_and_are_found(tmp_path: Path) -> None:
    assert list(convert_seaformer({'decode_head.other': torch.ones(1)})) == ['decode_head.other']
    official = Official()
    official.segmentor(torch.randn(1, 3, 64, 64))
    torch.save(official.state | {'backbone.smb6.other': torch.ones(1)}, tmp_path / 'official.pth')
    with pytest.raises(UserError, match=r'left over in the file: backbone\.smb6\.other'):
        convert_official(segmentor(), tmp_path / 'official.pth')


def test_a_name_of_the_table_is_looked_for_in_a_folder_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('SCASEG_PRETRAINED', str(tmp_path))
    monkeypatch.setenv('TORCH_HOME', str(tmp_path))
    with pytest.raises(UserError) as error:
        load_pretrained(MODELS.build(ENCODER), 'seaformer-t')
    assert 'there is no URL for a download' in str(error.value)
    assert f'fudan-zvg/SeaFormer/tree/main/seaformer-cls links to as {tmp_path / "SeaFormer_T.pth"}' in str(
        error.value
    )
