"""Cross-entropy over the batch of all processes is mmseg's on one."""

from typing import Any

import pytest
import torch
from mmseg.models.losses import CrossEntropyLoss

from scaseg.models.losses import BatchCrossEntropyLoss, process_mean


@pytest.mark.parametrize('pixel_weight', [False, True])
@pytest.mark.parametrize('settings', [{}, dict(avg_non_ignore=True), dict(class_weight=[1.0, 2.0, 0.5])])
def test_on_one_process_it_is_mmsegs(settings: dict[str, Any], pixel_weight: bool) -> None:
    logits = torch.randn(2, 3, 8, 8)
    labels = torch.randint(0, 3, (2, 8, 8))
    labels[:, :3] = 255
    weight = torch.rand(2, 8, 8) if pixel_weight else None
    losses = [
        kind(loss_weight=0.4, **settings)(logits, labels, weight, ignore_index=255)
        for kind in (BatchCrossEntropyLoss, CrossEntropyLoss)
    ]
    torch.testing.assert_close(*losses)


def test_without_a_label_it_is_zero() -> None:
    logits = torch.randn(1, 3, 4, 4, requires_grad=True)
    loss = BatchCrossEntropyLoss(avg_non_ignore=True)(logits, torch.full((1, 4, 4), 255))
    loss.backward()
    assert loss == 0
    assert torch.equal(logits.grad, torch.zeros_like(logits))


def test_a_validation_waits_for_no_other_process(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    monkeypatch.setattr('scaseg.models.losses.over_processes.all_reduce', lambda x, op: calls.append(x))
    with torch.no_grad():
        assert process_mean(torch.tensor(7)) == 7
    assert not calls
    process_mean(torch.tensor(7))
    assert len(calls) == 1
