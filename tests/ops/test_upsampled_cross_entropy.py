"""Banded cross-entropy: the definition against a loop, bands against the definition, and their memory."""

import math

import pytest
import torch
from torch import Tensor

from scaseg.benchmarking.timing import peak_memory
from scaseg.ops import row_bands
from scaseg.ops.upsampled_cross_entropy import naive_upsampled_cross_entropy, upsampled_cross_entropy


def inputs(size: tuple[int, int], out: tuple[int, int], dtype: torch.dtype = torch.float64) -> tuple[Tensor, Tensor]:
    labels = torch.randint(0, 7, (2, *out))
    labels[torch.rand(labels.shape) < 0.2] = 255
    return 3 * torch.randn(2, 7, *size, dtype=dtype), labels


def test_the_definition_equals_the_loop() -> None:
    logits, labels = inputs((4, 5), (4, 5))
    weight = torch.rand(7, dtype=torch.float64)
    loss, right = 0.0, 0
    for b, y, x in torch.cartesian_prod(torch.arange(2), torch.arange(4), torch.arange(5)).tolist():
        scores, label = logits[b, :, y, x].tolist(), labels[b, y, x].item()
        if label != 255:
            loss -= weight[label].item() * math.log(math.exp(scores[label]) / sum(map(math.exp, scores)))
            right += scores.index(max(scores)) == label
    found = naive_upsampled_cross_entropy(logits, labels, weight)
    assert found[0].item() == pytest.approx(loss, rel=1e-12)
    assert found[1].item() == right


@pytest.mark.parametrize('rows', [1, 3, 1000])
@pytest.mark.parametrize('align_corners', [False, True])
@pytest.mark.parametrize(
    'size, out', [((5, 7), (17, 25)), ((4, 4), (16, 16)), ((1, 1), (3, 2)), ((9, 6), (4, 6)), ((6, 5), (6, 5))]
)
def test_bands_equal_the_definition(
    size: tuple[int, int], out: tuple[int, int], align_corners: bool, rows: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(row_bands.BAND_ELEMENTS, 'cpu', rows * 7 * out[1])
    logits, labels = inputs(size, out)
    weight = torch.rand(7, dtype=torch.float64)
    results = []
    for function in (naive_upsampled_cross_entropy, upsampled_cross_entropy):
        x = logits.clone().requires_grad_()
        loss, right = function(x, labels, weight, 255, align_corners)
        (0.3 * loss).backward()
        results.append((loss.detach(), right, x.grad))
    torch.testing.assert_close(results[1], results[0], rtol=1e-10, atol=1e-10)


def test_half_precision_is_summed_in_float32() -> None:
    logits, labels = inputs((5, 7), (17, 25), torch.float32)
    half = logits.half().requires_grad_()
    expected, _ = naive_upsampled_cross_entropy(half.detach().float(), labels)
    with torch.autocast('cpu', dtype=torch.float16):
        loss, _ = upsampled_cross_entropy(half, labels)
    assert loss.dtype == torch.float32
    torch.testing.assert_close(loss.detach(), expected)
    loss.backward()
    assert half.grad.dtype == torch.float16


def test_without_gradients_and_with_nothing_labelled() -> None:
    logits, labels = inputs((5, 7), (17, 25))
    with torch.no_grad():
        loss, _ = upsampled_cross_entropy(logits, labels)
    torch.testing.assert_close(loss, naive_upsampled_cross_entropy(logits, labels)[0])
    loss, right = upsampled_cross_entropy(logits.requires_grad_(), torch.full_like(labels, 255))
    loss.backward()
    assert loss.item() == right.item() == logits.grad.abs().sum().item() == 0


def test_memory_is_that_of_low_resolution() -> None:
    logits = torch.randn(2, 150, 64, 64, requires_grad=True)
    labels = torch.randint(0, 150, (2, 256, 256))

    def run(function: type[upsampled_cross_entropy]) -> int:
        return peak_memory(lambda: torch.autograd.grad(function(logits, labels)[0], logits), torch.device('cpu'))

    full = 4 * 2 * 150 * 256 * 256  # bytes of the logits at the size of the labels
    assert run(naive_upsampled_cross_entropy) > 2 * full
    assert run(upsampled_cross_entropy) < full
