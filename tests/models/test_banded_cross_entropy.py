"""The banded loss in heads: losses, accuracy and gradients are those of mmseg's cross-entropy."""

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample

from scaseg.models.decode_heads.multi_level_head import MultiLevelHead

CHANNELS, CLASSES, BN = [8, 16, 24, 32], 7, dict(type='BN')
HEADS = {
    'HamburgerHead': dict(channels=16, hamburger=dict(rank=4), norm_cfg=dict(type='GN', num_groups=4)),
    'LightFusionHead': dict(embed_dims=[16, 16, 16], norm_cfg=BN),
    'RCCAHead': dict(in_index=[0, 1, 2, 3], input_transform='resize_concat', channels=16, norm_cfg=BN),
    'SCASegHead': dict(channels=16, num_heads=[1, 2, 4, 8], norm_cfg=BN),
    'SEAHead': dict(channels=16, num_heads=[1, 2, 4, 8], norm_cfg=BN),
    'SegFormerMLPHead': dict(channels=16, norm_cfg=BN),
    'SegformerHead': dict(in_index=[0, 1, 2, 3], channels=16, norm_cfg=BN),  # mmseg's: resizes, then the loss
}


def results(name: str, loss: dict | list, labels: torch.Tensor, **kwargs: object) -> tuple[dict, list[torch.Tensor]]:
    torch.manual_seed(0)
    cfg = dict(type=name, in_channels=CHANNELS, num_classes=CLASSES, loss_decode=loss) | HEADS[name] | kwargs
    head: BaseDecodeHead = MODELS.build(cfg)
    levels = [torch.randn(2, c, -(-65 // s), -(-97 // s)) for c, s in zip(CHANNELS, (4, 8, 16, 32), strict=True)]
    losses = head.loss(levels, [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels], {})
    sum(value for key, value in losses.items() if 'loss' in key).backward()
    return {key: value.detach().squeeze() for key, value in losses.items()}, [p.grad for p in head.parameters()]


@pytest.fixture
def labels() -> torch.Tensor:
    labels = torch.randint(0, CLASSES, (2, 1, 65, 97))
    labels[..., :20] = 255
    return labels


@pytest.mark.parametrize('name', HEADS)
def test_every_head_gets_the_loss_of_mmseg(name: str, labels: torch.Tensor) -> None:
    expected = results(name, dict(type='CrossEntropyLoss'), labels)
    torch.testing.assert_close(results(name, dict(type='BandedCrossEntropyLoss'), labels), expected)


@pytest.mark.parametrize(
    'options',
    [dict(avg_non_ignore=True), dict(class_weight=[0.5, 1, 2, 1, 1, 3, 0]), dict(loss_weight=0.4, loss_name='loss_x')],
    ids=['labelled pixels', 'class weights', 'weight and name'],
)
def test_options_mean_what_they_mean_in_mmseg(options: dict, labels: torch.Tensor) -> None:
    expected = results('SCASegHead', dict(type='CrossEntropyLoss', **options), labels)
    torch.testing.assert_close(results('SCASegHead', dict(type='BandedCrossEntropyLoss', **options), labels), expected)


def test_beside_another_loss_and_with_a_sampler(labels: torch.Tensor) -> None:
    dice = dict(type='DiceLoss', loss_name='loss_dice')
    hard = dict(sampler=dict(type='OHEMPixelSampler', thresh=0.7, min_kept=100))
    for others, kwargs in (([dice], {}), ([], hard)):
        expected = results('SCASegHead', [dict(type='CrossEntropyLoss'), *others], labels, **kwargs)
        found = results('SCASegHead', [dict(type='BandedCrossEntropyLoss'), *others], labels, **kwargs)
        torch.testing.assert_close(found, expected)


def test_nothing_labelled(labels: torch.Tensor) -> None:
    losses, gradients = results('SCASegHead', dict(type='BandedCrossEntropyLoss'), torch.full_like(labels, 255))
    assert losses['loss_ce'] == losses['acc_seg'] == 0
    assert all(gradient.isfinite().all() for gradient in gradients)


def test_every_head_with_logits_takes_it() -> None:
    kinds = {name: kind for name, kind in MODELS.module_dict.items() if kind.__module__.startswith('scaseg.')}
    heads = {name: kind for name, kind in kinds.items() if issubclass(kind, BaseDecodeHead)}
    assert all(issubclass(kind, MultiLevelHead) for kind in heads.values())
    with_logits = {name for name, kind in heads.items() if not getattr(kind, 'gives_probabilities', False)}
    assert with_logits == set(HEADS) - {'SegformerHead'}
