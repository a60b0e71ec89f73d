"""Hard pixels and their mean, against a sort of all pixels."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.models import losses  # noqa: F401  (registers)


def slow_loss(logits: Tensor, labels: Tensor, thresh: float, min_kept: int) -> Tensor:
    """Pixels by their probability, least first: those below the threshold, and so many at least."""
    pixels = []
    for scores, label in zip(logits.movedim(1, -1).flatten(0, 2), labels.flatten(), strict=True):
        if label != 255:
            pixels.append(scores.softmax(0)[label])
    pixels.sort()
    kept = [p for rank, p in enumerate(pixels) if p < thresh or rank < min_kept]
    return -torch.stack(kept).log().mean()


@pytest.mark.parametrize('thresh, min_kept', [(0.7, 1), (0.3, 1), (0.05, 30), (0.7, 10**6), (1.0, 1)])
def test_mean_and_gradients_of_the_hard_pixels(thresh: float, min_kept: int) -> None:
    logits = (3 * torch.randn(2, 5, 7, 9, dtype=torch.float64)).requires_grad_()
    labels = torch.randint(0, 5, (2, 7, 9))
    labels[:, :2] = 255
    loss = MODELS.build(dict(type='OHEMCrossEntropyLoss', thresh=thresh, min_kept=min_kept))(logits, labels)
    expected = slow_loss(logits, labels, thresh, min_kept)
    torch.testing.assert_close(loss, expected)
    found, wanted = (torch.autograd.grad(x, logits)[0] for x in (loss, expected))
    torch.testing.assert_close(found, wanted)


def test_with_a_threshold_of_one_it_is_cross_entropy() -> None:
    logits, labels = torch.randn(2, 5, 7, 9), torch.randint(0, 5, (2, 7, 9))
    loss = MODELS.build(dict(type='OHEMCrossEntropyLoss', thresh=1.0, min_kept=1, loss_weight=0.4))(logits, labels)
    torch.testing.assert_close(loss, 0.4 * F.cross_entropy(logits, labels))


@pytest.mark.parametrize('labelled', [0, 1, 5])
def test_few_labelled_pixels_and_ties(labelled: int) -> None:
    logits = torch.zeros(1, 5, 3, 4, requires_grad=True)
    labels = torch.full((1, 3, 4), 255)
    labels.view(-1)[:labelled] = 2
    loss = MODELS.build(dict(type='OHEMCrossEntropyLoss', thresh=0.1, min_kept=2))(logits, labels)
    loss.backward()
    assert loss.item() == pytest.approx(torch.tensor(5.0).log().item() if labelled else 0.0)
    assert logits.grad.isfinite().all()


@pytest.mark.parametrize('arguments', [dict(thresh=0.0), dict(thresh=1.1), dict(min_kept=0)], ids=str)
def test_arguments(arguments: dict) -> None:
    with pytest.raises(ValueError, match='expected 0 < thresh <= 1 and min_kept >= 1'):
        MODELS.build(dict(type='OHEMCrossEntropyLoss', **arguments))
