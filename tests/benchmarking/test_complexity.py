"""Counted costs against products worked out by hand."""

import csv
import json
import runpy
import sys
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS
from torch import Tensor, nn

from scaseg.benchmarking import count_complexity

TOKENS, CHANNELS, HEADS = 64 * 16, 32, 4
PROJECTIONS = 4 * TOKENS * CHANNELS**2
PRODUCTS = 2 * TOKENS**2 * CHANNELS


class Written(nn.Module):
    """Self-attention with the products written out."""

    def __init__(self) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(CHANNELS, CHANNELS) for _ in range(4))

    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return (q @ k.transpose(-1, -2)).softmax(-1) @ v

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = (project(x).unflatten(-1, (HEADS, -1)).transpose(1, 2) for project in self.maps[:3])
        return self.maps[3](self.attend(q, k, v).transpose(1, 2).flatten(2))


class Fused(Written):
    def attend(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return F.scaled_dot_product_attention(q, k, v)


class Module(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.attention = nn.MultiheadAttention(CHANNELS, HEADS, batch_first=True)

    def forward(self, x: Tensor) -> Tensor:
        return self.attention(x, x, x, need_weights=False)[0]


class Head(nn.Conv2d):
    def predict(self, inputs: Tensor, batch_img_metas: list[dict], test_cfg: None) -> Tensor:
        return self(inputs)


class Probe(BaseSegmentor):
    """A segmentor whose encoder is one attention over 64 x 16 positions."""

    def __init__(self, attention: nn.Module) -> None:
        super().__init__()
        self.embed, self.backbone = nn.Conv2d(3, CHANNELS, 1, bias=False), attention
        self.decode_head = Head(CHANNELS, 5, 1)
        self.test_cfg = None

    def extract_feat(self, inputs: Tensor) -> Tensor:
        return self.backbone(self.embed(inputs).flatten(2).transpose(1, 2)).transpose(1, 2).unflatten(2, (64, 16))

    def _forward(self, inputs: Tensor, data_samples: None = None) -> Tensor:
        return self.decode_head.forward(self.extract_feat(inputs))

    encode_decode = loss = predict = _forward


@pytest.mark.parametrize('attention', [Written, Fused, Module])
def test_attention_is_counted_however_it_is_computed(attention: type[nn.Module]) -> None:
    complexity = count_complexity(Probe(attention()), (64, 16))
    assert complexity.macs['encoder'] == PROJECTIONS + PRODUCTS + 3 * CHANNELS * TOKENS
    assert complexity.macs['head'] == 5 * CHANNELS * TOKENS
    assert complexity.parameters['head'] == 5 * CHANNELS + 5


def test_operations_are_two_for_each_product_and_one_for_each_element() -> None:
    complexity = count_complexity(Probe(Written()), (64, 16))
    softmax, biases = HEADS * TOKENS**2, 3 * TOKENS * CHANNELS  # torch adds those of q, k, v on their own
    assert complexity.flops['encoder'] == 2 * complexity.macs['encoder'] + softmax + biases
    assert complexity.flops['head'] == 2 * complexity.macs['head']


def test_papers_quote_norms_and_interpolation_too() -> None:
    norms = nn.Sequential(nn.BatchNorm2d(3), nn.GroupNorm(1, 3), nn.UpsamplingBilinear2d(scale_factor=2))
    model = Probe(Fused())
    model.embed = nn.Sequential(norms, nn.MaxPool2d(2), model.embed)
    complexity = count_complexity(model, (64, 16))
    pixels = 3 * 64 * 16
    assert complexity.quoted['model'] == complexity.macs['model'] + (2 + 5 + 4 * 4) * pixels
    assert complexity.quoted['head'] == complexity.macs['head']


def test_a_head_is_counted_level_by_level() -> None:
    backbone = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))
    head = dict(type='SCASegHead', in_channels=[8, 16, 24, 32], num_heads=[1, 2, 4, 8], channels=16, num_classes=5)
    complexity = count_complexity(
        MODELS.build(dict(type='LeanEncoderDecoder', backbone=backbone, decode_head=head)), (128, 128)
    )
    assert {f'blocks.{level}' for level in range(4)} < set(complexity.head_macs)
    assert complexity.head_macs['conv_seg'] == 32 * 32 * 16 * 5
    assert sum(complexity.head_macs.values()) == complexity.macs['head']


def test_layers_in_sequence_are_parts_of_a_head_too() -> None:
    backbone = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))
    head = dict(type='RCCAHead', in_channels=32, in_index=3, channels=16, num_classes=5)
    complexity = count_complexity(
        MODELS.build(dict(type='LeanEncoderDecoder', backbone=backbone, decode_head=head)), (128, 128)
    )
    assert {'convs.0', 'convs.1', 'cca', 'conv_cat', 'conv_seg'} == set(complexity.head_macs)
    assert sum(complexity.head_macs.values()) == complexity.macs['head']


def test_strip_attention_costs_one_channel_for_the_logits() -> None:
    backbone = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))
    head = dict(type='SCASegHead', in_channels=[8, 16, 24, 32], num_heads=[1, 2, 4, 8], channels=16, num_classes=5)
    costs = {}
    for attention in ('Strip', 'Vanilla'):
        block = dict(attention=dict(type=f'{attention}CrossAttention'))
        model = dict(type='LeanEncoderDecoder', backbone=backbone, decode_head=head | dict(block=block))
        costs[attention] = count_complexity(MODELS.build(model), (128, 128)).macs['head']
    saved = 0
    for c, heads, tokens in zip((8, 16, 24, 32), (1, 2, 4, 8), (1024, 256, 64, 16), strict=True):
        keys = 16
        saved += (c - heads) * (tokens * c + keys * 80 + tokens * keys)  # query and key maps, logits
    assert costs['Vanilla'] - costs['Strip'] == saved


def test_no_memory_is_needed() -> None:
    model = Probe(Fused())
    count_complexity(model, (64, 16))
    assert all(parameter.device == torch.device('meta') for parameter in model.parameters())


def test_the_tool_counts_many_configs_in_one_call(
    config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    tool = Path(__file__).parents[2] / 'tools' / 'analysis' / 'complexity.py'
    outputs = []
    for flags in (['--levels', '--csv', str(tmp_path / 'out.csv')], ['--json']):
        monkeypatch.setattr(sys, 'argv', ['complexity', str(config), str(config), '--shape', '64', '96', *flags])
        runpy.run_path(str(tool), run_name='__main__')
        outputs.append(capsys.readouterr().out)
    counted = [json.loads(line) for line in outputs[1].splitlines()]
    assert len(counted) == 2 and counted[0] == counted[1]
    with (tmp_path / 'out.csv').open() as file:
        row = next(csv.DictReader(file))
    assert row['head (GMACs)'] == f'{counted[0]["macs"]["head"] / 1e9:.2f}' and row['shape'] == '64x96'
    assert f'| blocks.0 | {counted[0]["head_macs"]["blocks.0"] / 1e9:.3f} |' in outputs[0]
