"""ATMLoss against loops over images, classes and pixels."""

import math

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.models import ATMLoss
from scaseg.models.layers import MaskPrediction
from scaseg.models.losses.atm_loss import classes_present

CLASSES, SIZE = 4, (6, 9)


def build(**changes: object) -> ATMLoss:
    return MODELS.build(dict(type='ATMLoss') | changes)


def predictions(batch: int, stages: int = 3) -> list[MaskPrediction]:
    return [
        MaskPrediction(torch.randn(batch, CLASSES, CLASSES + 1), 3 * torch.randn(batch, CLASSES, 3, 4))
        for _ in range(stages)
    ]


def draw_labels() -> Tensor:
    """Three images: classes 0, 1, 3 and ignored pixels; class 2 alone; no class at all."""
    mixed = torch.tensor([0, 1, 3, 255])[torch.randint(0, 4, SIZE)]
    return torch.stack([mixed, torch.full(SIZE, 2), torch.full(SIZE, 255)])


def sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def slow_class_loss(logits: Tensor, labels: Tensor) -> float:
    total, weights = 0.0, 0.0
    for image in range(len(labels)):
        for query in range(CLASSES):
            is_present = query in labels[image].flatten().tolist()
            target, weight = (query, 1.0) if is_present else (CLASSES, 0.1)
            total += weight * -float(logits[image, query].log_softmax(0)[target])
            weights += weight
    return total / weights


def slow_mask_losses(mask: Tensor, label: Tensor, cls: int, ignore_as_negative: bool) -> tuple[float, float]:
    """Focal and dice loss of one mask."""
    resized = F.interpolate(mask[None, None], size=SIZE, mode='bilinear', align_corners=False)[0, 0]
    focal, pixels, overlap, total = 0.0, 0, 0.0, 0.0
    for y in range(SIZE[0]):
        for x in range(SIZE[1]):
            if label[y, x] == 255 and not ignore_as_negative:
                continue
            p, truth = sigmoid(float(resized[y, x])), float(label[y, x] == cls)
            right, alpha = (p, 0.25) if truth else (1 - p, 0.75)
            focal -= alpha * (1 - right) ** 2 * math.log(right)
            pixels += 1
            overlap += p * truth
            total += p + truth
    return focal / pixels, 1 - (2 * overlap + 1) / (total + 1)


def slow_loss(stages: list[MaskPrediction], labels: Tensor, ignore_as_negative: bool) -> dict[str, float]:
    losses = dict(loss_ce=0.0, loss_mask=0.0, loss_dice=0.0)
    for class_logits, masks in stages:
        losses['loss_ce'] += slow_class_loss(class_logits, labels)
        pairs = [(i, c) for i in range(len(labels)) for c in range(CLASSES) if (labels[i] == c).any()]
        for image, cls in pairs:
            focal, dice = slow_mask_losses(masks[image, cls], labels[image], cls, ignore_as_negative)
            losses['loss_mask'] += 20 * focal / len(pairs)
            losses['loss_dice'] += dice / len(pairs)
    return losses


@pytest.mark.parametrize('ignore_as_negative', [True, False])
@pytest.mark.parametrize('images', [[0, 1, 2], [0], [1], [2]], ids=['all', 'several', 'one class', 'no class'])
def test_every_term(images: list[int], ignore_as_negative: bool) -> None:
    labels, stages = draw_labels()[images], predictions(len(images))
    losses = build(ignore_as_negative=ignore_as_negative)(stages, labels)
    expected = slow_loss(stages, labels, ignore_as_negative)
    assert {name: float(value) for name, value in losses.items()} == pytest.approx(expected, rel=1e-5, abs=1e-7)


def test_a_label_that_is_no_class_is_an_error() -> None:
    labels = torch.zeros(1, 4, 4, dtype=torch.long)
    labels[..., 0] = 5
    with pytest.raises(RuntimeError, match='out of bounds'):
        classes_present(labels, num_classes=5, ignore_index=255)


def test_weights() -> None:
    labels, stages = draw_labels(), predictions(3)
    official = build()(stages, labels)
    other = build(cls_weight=2.0, mask_weight=10.0, dice_weight=0.0)(stages, labels)
    for name, factor in dict(loss_ce=2.0, loss_mask=0.5, loss_dice=0.0).items():
        torch.testing.assert_close(other[name], factor * official[name])
    assert build(no_object_weight=1.0)(stages, labels)['loss_ce'] != official['loss_ce']


def test_the_number_of_masks_is_averaged_over_the_ranks(monkeypatch: pytest.MonkeyPatch) -> None:
    labels, stages = draw_labels(), predictions(3)
    alone = build()(stages, labels)

    def with_a_rank_of_twelve_masks(masks_and_class_weights: Tensor, op: str) -> None:
        assert op == 'mean'
        masks_and_class_weights[0].add_(12).div_(2)

    monkeypatch.setattr('scaseg.models.losses.over_processes.all_reduce', with_a_rank_of_twelve_masks)
    together = build()(stages, labels)
    torch.testing.assert_close(together['loss_ce'], alone['loss_ce'])
    for name in ('loss_mask', 'loss_dice'):
        torch.testing.assert_close(together[name], alone[name] * 4 / 8)


def test_gradients_reach_the_masks_of_present_classes_only() -> None:
    labels, (stage,) = draw_labels(), predictions(3, stages=1)
    stage = MaskPrediction(*(x.requires_grad_() for x in stage))
    sum(build()([stage], labels).values()).backward()
    assert stage.class_logits.grad.abs().sum(-1).gt(0).all()
    reached = stage.mask_logits.grad.flatten(2).abs().sum(-1) > 0
    assert reached.tolist() == [[True, True, False, True], [False, False, True, False], [False] * 4]


def test_autocast_does_not_lower_the_precision() -> None:
    labels, stages = draw_labels(), predictions(3)
    halves = [MaskPrediction(*(x.bfloat16() for x in stage)) for stage in stages]
    singles = [MaskPrediction(*(x.float() for x in stage)) for stage in halves]
    with torch.autocast('cpu', dtype=torch.bfloat16):
        losses = build()(halves, labels)
    for name, expected in build()(singles, labels).items():
        assert losses[name].dtype == torch.float32
        torch.testing.assert_close(losses[name], expected, rtol=1e-6, atol=1e-7)
