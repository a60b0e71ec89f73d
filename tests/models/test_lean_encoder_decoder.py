"""The segmentor: encoders by name, heads that fit, norms without a GPU."""

from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from scaseg.errors import UserError
from scaseg.models import LeanEncoderDecoder

MSCAN = dict(type='MSCAN', embed_dims=[8, 16, 24, 32], mlp_ratios=[2, 2, 2, 2], depths=[1, 1, 1, 1])
CONVNEXT = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))
HEAD = dict(type='SCASegHead', in_channels=[8, 16, 24, 32], num_heads=[1, 2, 4, 8], channels=16, num_classes=5)


def build(backbone: dict = MSCAN, pretrained: str | None = None, head: dict = HEAD) -> LeanEncoderDecoder:
    return MODELS.build(
        dict(type='LeanEncoderDecoder', backbone=backbone, decode_head=head, pretrained=pretrained, test_cfg={})
    )


@pytest.mark.parametrize('backbone', [MSCAN, CONVNEXT], ids=['mmseg', 'timm'])
def test_pretrained_file_reaches_the_encoder_and_nothing_else(backbone: dict, tmp_path: Path) -> None:
    source = build(backbone)
    for parameter in source.parameters():
        nn.init.normal_(parameter)
    encoder = source.backbone.features if backbone is CONVNEXT else source.backbone
    torch.save({'state_dict': encoder.state_dict()}, tmp_path / 'encoder.pth')
    model = build(backbone, pretrained=str(tmp_path / 'encoder.pth'))
    model.init_weights()
    loaded = model.backbone.features if backbone is CONVNEXT else model.backbone
    for name, tensor in encoder.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], tensor), name
    assert not torch.equal(model.decode_head.conv_seg.weight, source.decode_head.conv_seg.weight)


def test_missing_weights_are_an_error_at_initialisation_only(tmp_path: Path) -> None:
    model = build(pretrained=str(tmp_path / 'nowhere.pth'))
    with pytest.raises(UserError, match=r'nowhere\.pth'):
        model.init_weights()


def test_initialisation_is_silent(capsys: pytest.CaptureFixture) -> None:
    build().init_weights()
    assert 'init cfg' not in capsys.readouterr().out


@pytest.mark.skipif(torch.cuda.is_available(), reason='SyncBN stays where there is a GPU')
def test_sync_batchnorm_becomes_batchnorm_without_a_gpu() -> None:
    model = build(MSCAN | dict(norm_cfg=dict(type='SyncBN')), head=HEAD | dict(norm_cfg=dict(type='SyncBN')))
    kinds = {type(module) for module in model.modules() if isinstance(module, nn.modules.batchnorm._BatchNorm)}
    assert kinds and nn.SyncBatchNorm not in kinds
    assert model.train()(torch.randn(2, 3, 64, 96)).shape == (2, 5, 16, 24)


@pytest.mark.parametrize(
    'head, message',
    [
        (dict(in_channels=[8, 16, 24, 40]), r'decode_head.in_channels=\[8, 16, 24, 40\], but the encoder gives \[8, '),
        (dict(strides=[2, 4, 8, 16]), r'decode_head.strides=\[2, 4, 8, 16\], but the encoder gives \[4, 8, 16, 32\]'),
        (dict(in_index=[0, 1, 2, 4]), 'the encoder has 4 levels'),
    ],
    ids=['channels', 'strides', 'levels'],
)
def test_a_head_that_does_not_fit_a_timm_encoder(head: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(CONVNEXT, head=HEAD | head)


def test_a_head_that_does_not_fit_a_plain_vit() -> None:
    vit = dict(type='PlainVisionTransformer', embed_dims=16, num_layers=3, num_heads=2, img_size=(32, 32))
    head = dict(type='ATMHead', in_channels=[16, 16], embed_dims=8, num_heads=2, num_classes=5)
    with pytest.raises(ValueError, match=r'decode_head.in_index=\[0, 1\]: the encoder has 1 levels'):
        build(vit | dict(out_indices=[1]), head=head)
    with pytest.raises(UserError, match='has 2 entries, but the encoder gives 3 levels'):
        build(vit | dict(out_indices=[0, 1, 2]), head=head)(torch.randn(1, 3, 32, 32))


def test_heads_of_mmseg_fit_too() -> None:
    linear = dict(type='FCNHead', num_convs=0, concat_input=False, num_classes=5, channels=80)
    linear |= dict(in_channels=[8, 16, 24, 32], in_index=[0, 1, 2, 3], input_transform='resize_concat')
    assert build(CONVNEXT, head=linear)(torch.randn(1, 3, 64, 96)).shape == (1, 5, 16, 24)
