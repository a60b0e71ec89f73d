"""timm models as encoders: shapes, sizes, norms and errors."""

import pytest
import torch
from mmseg.registry import MODELS
from torch import nn

from scaseg.models import TIMMFeatures

SMALL_SWIN = dict(model_name='swin_tiny_patch4_window7_224', embed_dim=16, depths=(1, 1, 1, 1), num_heads=(1, 2, 4, 8))
SMALL_CONVNEXT = dict(model_name='convnext_atto', depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))
SMALL_VIT = dict(model_name='vit_tiny_patch16_224', embed_dim=16, depth=3, num_heads=2, out_indices=(0, 1, 2))
CNN = dict(model_name='resnet10t', out_indices=(1, 2, 3, 4))


@pytest.mark.parametrize('arguments', [SMALL_SWIN, SMALL_CONVNEXT, SMALL_VIT, CNN], ids=lambda a: a['model_name'])
@pytest.mark.parametrize('size', [(64, 96), (97, 131)], ids=str)
def test_channels_and_strides_are_those_of_the_maps(arguments: dict, size: tuple[int, int]) -> None:
    encoder = TIMMFeatures(**arguments).eval()
    maps = encoder(torch.randn(1, 3, *size))
    assert [x.shape[1] for x in maps] == encoder.channels
    for x, stride in zip(maps, encoder.strides, strict=True):
        for length, pixels in zip(x.shape[-2:], size, strict=True):
            assert length in (pixels // stride, -(-pixels // stride))


@pytest.mark.parametrize('arguments', [SMALL_SWIN, SMALL_CONVNEXT, SMALL_VIT, CNN], ids=lambda a: a['model_name'])
def test_every_parameter_has_a_gradient(arguments: dict) -> None:
    encoder = TIMMFeatures(**arguments)
    sum(x.square().mean() for x in encoder(torch.randn(2, 3, 64, 96))).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    'arguments, expected', [(SMALL_SWIN, nn.LayerNorm), (SMALL_CONVNEXT, nn.LayerNorm), (CNN, nn.Identity)]
)
def test_norms_where_the_model_leaves_its_residual_stream_raw(arguments: dict, expected: type) -> None:
    assert all(isinstance(norm, expected) for norm in TIMMFeatures(**arguments).norms)
    assert all(isinstance(norm, nn.Identity) for norm in TIMMFeatures(**arguments, level_norm=False).norms)


def test_swin_gives_channels_first() -> None:
    encoder = TIMMFeatures(**SMALL_SWIN, level_norm=False).eval()
    image = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(encoder(image)[0], encoder.features(image)[0].permute(0, 3, 1, 2))


def test_a_head_without_channels_takes_those_of_the_encoder() -> None:
    head = dict(type='SCASegHead', channels=8, num_heads=[1, 2, 4, 8], num_classes=3, norm_cfg=dict(type='BN'))
    backbone = dict(type='TIMMFeatures', **SMALL_CONVNEXT)
    model = MODELS.build(dict(type='LeanEncoderDecoder', backbone=backbone, decode_head=head | dict(strides=None)))
    assert model.decode_head.in_channels == [8, 16, 24, 32]
    assert model.decode_head.strides == [4, 8, 16, 32]
    deep = head | dict(in_index=[1, 2, 3], num_heads=[2, 4, 8])
    model = MODELS.build(dict(type='LeanEncoderDecoder', backbone=backbone, decode_head=deep))
    assert model.decode_head.strides == [8, 16, 32]
    with pytest.raises(ValueError, match=r'in_index=\[4\]: the encoder has the levels 0 to 3'):
        MODELS.build(dict(type='LeanEncoderDecoder', backbone=backbone, decode_head=head | dict(in_index=[4])))


def test_weights_are_not_an_argument_of_the_encoder() -> None:
    with pytest.raises(ValueError, match=r"backbone\.pretrained: .* set model\.pretrained='timm/convnext_atto'"):
        TIMMFeatures(**SMALL_CONVNEXT, pretrained=True)


def test_unknown_model() -> None:
    with pytest.raises(ValueError, match=r"model_name='convnext_nanno': timm has no such model .*convnext"):
        TIMMFeatures('convnext_nanno')
