"""Every head trains on images of 1 and of 4 bands; weights of three colours are adapted to them."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from scaseg.errors import UserError
from scaseg.models import BandDataPreProcessor
from scaseg.weights.load import load_pretrained
from scaseg.weights.stem import adapt_stem

CLASSES, SIZE = 3, (64, 64)
COMMON = dict(num_classes=CLASSES, in_channels=[8, 16, 24, 32])
HEADS = {
    'ATMHead': dict(embed_dims=16, num_heads=4),
    'HamburgerHead': dict(channels=16, hamburger=dict(rank=4), norm_cfg=dict(type='GN', num_groups=4)),
    'LightFusionHead': dict(embed_dims=[12, 16, 16]),
    'RCCAHead': dict(in_index=[0, 1, 2, 3], input_transform='resize_concat', channels=16, norm_cfg=dict(type='BN')),
    'SCASegHead': dict(channels=16, num_heads=[1, 2, 4, 8], norm_cfg=dict(type='BN')),
    'SEAHead': dict(channels=16, num_heads=[1, 2, 4, 8]),
    'SegFormerMLPHead': dict(channels=16, norm_cfg=dict(type='BN')),
    'ShrunkATMHead': dict(embed_dims=16, num_heads=4, grid_size=(4, 4), num_layers=1),
}
BACKBONE = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(1, 1, 1, 1), dims=(8, 16, 24, 32))


def network(head: str, bands: int) -> torch.nn.Module:
    return MODELS.build(
        dict(
            type='LeanEncoderDecoder',
            data_preprocessor=dict(type='BandDataPreProcessor', mean=[900.0] * bands, std=[300.0] * bands, size=SIZE),
            backbone=dict(BACKBONE, in_channels=bands),
            decode_head=dict(type=head, **COMMON, **HEADS[head]),
        )
    )


def batch(bands: int) -> dict:
    labels = torch.randint(0, CLASSES, (2, 1, *SIZE))
    samples = [SegDataSample(gt_sem_seg=PixelData(data=label), metainfo=dict(img_shape=SIZE)) for label in labels]
    return dict(inputs=[1000 * torch.rand(bands, *SIZE) for _ in range(2)], data_samples=samples)


@pytest.mark.parametrize('bands', [1, 4])
@pytest.mark.parametrize('head', HEADS)
def test_every_head_trains_on_bands(head: str, bands: int) -> None:
    model = network(head, bands)
    data = model.data_preprocessor(batch(bands), training=True)
    assert data['inputs'].shape == (2, bands, *SIZE)
    loss, _ = model.parse_losses(model(**data, mode='loss'))
    loss.backward()
    stem = next(parameter for parameter in model.backbone.parameters() if parameter.ndim == 4)
    assert stem.shape[1] == bands
    assert torch.isfinite(loss)
    assert stem.grad is not None
    assert stem.grad.isfinite().all()
    assert stem.grad.flatten(2).abs().sum((0, 2)).gt(0).all()  # every band has a say


def test_normalisation_is_that_of_each_band() -> None:
    normalise = BandDataPreProcessor(mean=[1, 2, 3, 4], std=[1, 2, 4, 8])
    image = torch.arange(4.0).view(4, 1, 1).expand(4, 2, 2)
    found = normalise(dict(inputs=[image], data_samples=None))['inputs'][0, :, 0, 0]
    torch.testing.assert_close(found, torch.tensor([-1.0, -0.5, -0.25, -0.125]))
    with pytest.raises(UserError, match='mean and std of 4 bands, the images have 3'):
        normalise(dict(inputs=[image[:3]], data_samples=None))
    for mean, std in (([0, 0], [1]), ([0], [0])):
        with pytest.raises(UserError, match='one number for each band, std above 0'):
            BandDataPreProcessor(mean=mean, std=std)


@pytest.mark.parametrize('bands', [1, 6])  # where every colour is used equally often
def test_equal_bands_give_what_a_gray_image_gave(bands: int) -> None:
    weight, gray = torch.randn(5, 3, 3, 3), torch.randn(1, 1, 9, 9)
    deep = torch.randn(5, 3, 1, 1)
    adapted, names = adapt_stem(dict(stem=weight, deep=deep), dict(stem=torch.empty(5, bands, 3, 3), deep=deep))
    assert names == ['stem']
    assert adapted['deep'] is deep
    torch.testing.assert_close(
        torch.nn.functional.conv2d(gray.expand(1, bands, 9, 9), adapted['stem']),
        torch.nn.functional.conv2d(gray.expand(1, 3, 9, 9), weight),
        rtol=1e-4,
        atol=1e-5,
    )


def test_weights_of_colours_load_into_an_encoder_of_bands(tmp_path: object) -> None:
    colours, bands = (MODELS.build(dict(BACKBONE, in_channels=channels)).features for channels in (3, 4))
    path = f'{tmp_path}/encoder.pth'
    torch.save(colours.state_dict(), path)
    report = load_pretrained(bands, path)
    assert report.matched == report.total
    assert not report.wrong_shape
    expected = torch.cat([colours.stem_0.weight, colours.stem_0.weight[:, :1]], 1) * 3 / 4
    torch.testing.assert_close(bands.stem_0.weight, expected)
