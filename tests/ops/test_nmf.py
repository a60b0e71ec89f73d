"""NMF against its naive form, and what must hold whatever the values."""

from itertools import pairwise

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor

from scaseg.ops import nmf
from scaseg.ops.nmf.naive import nmf as naive_nmf

SIZES = [(2, 5, 7, 3), (1, 3, 1, 1), (1, 1, 5, 2), (3, 4, 9, 6)]  # B, D, N, R


def maps(*shape: int, scale: float = 1.0, dtype: torch.dtype = torch.float32) -> Tensor:
    """Non-negative with many zeros, as after a ReLU."""
    return scale * torch.randn(shape, dtype=dtype).relu()


def bases(batch: int, channels: int, rank: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return F.normalize(torch.rand(batch, channels, rank, dtype=dtype), dim=1)


@pytest.mark.parametrize('size', SIZES, ids=str)
@pytest.mark.parametrize('steps', [1, 4])
def test_value_and_gradients_are_those_of_the_naive_form(size: tuple[int, int, int, int], steps: int) -> None:
    batch, channels, positions, rank = size
    x, start = maps(batch, channels, positions, dtype=torch.float64), bases(batch, channels, rank, torch.float64)
    weight = torch.randn_like(x)
    found = []
    for function in (nmf, naive_nmf):
        inputs = [x.clone().requires_grad_(), start.clone().requires_grad_()]
        out = function(*inputs, steps)
        found.append((out, *torch.autograd.grad((weight * out).sum(), inputs)))
    for fast, slow in zip(*found, strict=True):
        torch.testing.assert_close(fast, slow, rtol=1e-9, atol=1e-11)


def test_one_start_for_all_images() -> None:
    x, start = maps(3, 4, 9), bases(1, 4, 2)
    torch.testing.assert_close(nmf(x, start, 3), nmf(x, start.expand(3, -1, -1), 3))


def test_images_do_not_see_each_other() -> None:
    x, start = maps(2, 4, 9), bases(2, 4, 3)
    alone = nmf(x[1:], start[1:], 6)
    torch.testing.assert_close(nmf(x, start, 6)[1:], alone)


def test_more_steps_never_fit_worse() -> None:
    """Theorem 1 of Lee and Seung."""
    x, start = maps(1, 6, 20, dtype=torch.float64), bases(1, 6, 3, torch.float64)
    errors = [(x - nmf(x, start, steps)).square().sum().item() for steps in range(12)]
    assert all(later <= earlier * (1 + 1e-6) for earlier, later in pairwise(errors))
    assert errors[-1] < 0.9 * errors[0]


def test_the_rank_bounds_the_result() -> None:
    out = nmf(maps(1, 8, 30, dtype=torch.float64), bases(1, 8, 2, torch.float64), 6)
    assert torch.linalg.matrix_rank(out[0], rtol=1e-9) == 2
    assert (out >= 0).all()


@pytest.mark.parametrize('scale', [0.0, 1e-20, 1e-6, 1e2, 1e4], ids=str)
def test_extreme_values_stay_finite(scale: float) -> None:
    x = maps(2, 16, 40, scale=scale)
    x[0, :, 3] = 0.0
    x[1, 5] = 0.0
    x.requires_grad_()
    out = nmf(x, bases(2, 16, 4), 7)
    out.sum().backward()
    assert out.isfinite().all()
    assert x.grad.isfinite().all()


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    x, start = maps(2, 16, 400, scale=100.0).to(dtype), bases(2, 16, 4)
    expected = nmf(x.float(), start, 6)
    with torch.autocast('cpu', dtype=dtype):
        out = nmf(x, start, 6)
        unchanged = nmf(x.float(), start, 6)
    assert out.dtype == dtype
    assert torch.equal(out, expected.to(dtype))
    assert torch.equal(unchanged, expected)


def test_the_map_sets_the_precision() -> None:
    x, start = maps(2, 5, 7, dtype=torch.float64), bases(1, 5, 3)
    assert torch.equal(nmf(x, start, 3), nmf(x, start.double(), 3))


def test_no_value_decides_what_is_computed() -> None:
    """Runs where there are no values: a read of one, as a copy from GPU to CPU is, would raise."""
    out = nmf(torch.empty(2, 16, 40, device='meta'), torch.empty(1, 16, 4, device='meta'), 7)
    assert out.shape == (2, 16, 40)
