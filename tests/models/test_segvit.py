"""SegViT as a segmentor: its costs, whole and sliding windows, and test-time augmentation of probabilities."""

from pathlib import Path

import pytest
import torch
from mmengine.config import ConfigDict
from mmseg.registry import MODELS

from scaseg.apis.config import load_config
from scaseg.benchmarking import count_complexity
from scaseg.models import LeanEncoderDecoder
from scaseg.weights.table import TABLE

CONFIGS = Path(__file__).parents[2] / 'configs/segvit'
ENCODER = dict(embed_dims=16, num_layers=3, num_heads=2, img_size=(32, 32), patch_size=8)
PLAIN = dict(
    backbone=ENCODER | dict(type='PlainVisionTransformer', out_indices=[0, 2]),
    decode_head=dict(type='ATMHead', in_channels=[16, 16], embed_dims=8, num_heads=2, num_classes=5),
)
SHRUNK = dict(
    backbone=ENCODER | dict(type='ShrunkVisionTransformer', shrink_at=1, out_indices=[0, 2]),
    decode_head=PLAIN['decode_head'] | dict(type='ShrunkATMHead', grid_size=(4, 4)),
)


def build(settings: dict, test_cfg: dict | None = None) -> LeanEncoderDecoder:
    test_cfg = ConfigDict(full_logits=True, **(test_cfg or dict(mode='whole')))
    model = MODELS.build(dict(type='LeanEncoderDecoder', test_cfg=test_cfg) | settings)
    model.init_weights()
    return model.eval()


@pytest.mark.parametrize(
    'name, size, parameters, published_gflops',
    [
        ('segvit_vit-b16_8xb2-160k_ade20k-512x512', 512, 108.7, 120.9),
        ('segvit_vit-l16_8xb2-160k_ade20k-640x640', 640, 344.3, 637.9),
        ('segvit_vit-l16-shrunk_8xb2-160k_ade20k-640x640', 640, 344.6, 373.5),
        ('segvit_vit-l16_8xb2-80k_coco-stuff10k-512x512', 512, None, 383.9),
        ('segvit_vit-l16_4xb4-80k_pascal-context-480x480', 480, None, 321.6),
    ],
)
def test_costs_are_the_published_ones(name: str, size: int, parameters: float | None, published_gflops: float) -> None:
    """GFLOPs of the official README, where a FLOP is a multiply-accumulate; parameters of its code."""
    settings = load_config(CONFIGS / f'{name}.py').model
    with torch.device('meta'):
        model = MODELS.build(settings)
    complexity = count_complexity(model, (size, size))
    assert complexity.macs['model'] / 1e9 == pytest.approx(published_gflops, rel=0.01)
    if parameters is not None:
        assert complexity.parameters['model'] / 1e6 == pytest.approx(parameters, rel=0.001)


@pytest.mark.parametrize('path', sorted(CONFIGS.glob('*_vit-[bl]16*')), ids=lambda path: path.stem)
def test_everything_in_a_config_is_as_large_as_its_crop(path: Path) -> None:
    cfg = load_config(path)
    model, crop = cfg.model, tuple(cfg.crop_size)
    assert tuple(model.backbone.img_size) == tuple(model.test_cfg.crop_size) == crop
    assert tuple(model.decode_head.get('grid_size', (crop[0] // 16, crop[1] // 16))) == (crop[0] // 16, crop[1] // 16)
    weights = TABLE[model.pretrained]
    assert (weights.mean, weights.std) == (tuple(model.data_preprocessor.mean), tuple(model.data_preprocessor.std))


@pytest.mark.parametrize('settings', [PLAIN, SHRUNK], ids=['plain', 'shrunk'])
@pytest.mark.parametrize('image', [(32, 32), (45, 70), (20, 51)], ids=str)
def test_a_window_as_large_as_the_image_is_the_whole_image(settings: dict, image: tuple[int, int]) -> None:
    x = torch.randn(1, 3, *image)
    whole = build(settings)
    slide = build(settings, dict(mode='slide', crop_size=image, stride=image))
    slide.load_state_dict(whole.state_dict())
    with torch.no_grad():
        (expected,), (found,) = whole.predict(x), slide.predict(x)
    assert expected.seg_logits.data.shape == (5, *image)
    torch.testing.assert_close(found.seg_logits.data, expected.seg_logits.data)


@pytest.mark.parametrize('settings', [PLAIN, SHRUNK], ids=['plain', 'shrunk'])
def test_probabilities_of_overlapping_windows_are_averaged(settings: dict) -> None:
    model = build(settings, dict(mode='slide', crop_size=(32, 32), stride=(21, 21)))
    x = torch.randn(1, 3, 45, 30)
    total, count = torch.zeros(5, 45, 30), torch.zeros(45, 1)
    with torch.no_grad():
        for top in (0, 13):
            window = x[..., top : top + 32, :]
            total[:, top : top + 32] += model.encode_decode(window, [dict(img_shape=(32, 30))])[0]
            count[top : top + 32] += 1
        (found,) = model.predict(x)
    torch.testing.assert_close(found.seg_logits.data, total / count)
