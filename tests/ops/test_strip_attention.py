"""Strip attention against its definition, written as a loop."""

import math
import subprocess
import sys

import pytest
import torch
from torch import Tensor

from scaseg.ops import strip_attention


def random_inputs(batch: int, heads: int, n: int, m: int, d: int, dtype: torch.dtype = torch.float64) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    shapes = (batch, heads, n), (batch, heads, m), (batch, heads, m, d)
    return [torch.randn(shape, generator=generator, dtype=torch.float64).to(dtype) for shape in shapes]


def by_loop(q: Tensor, k: Tensor, v: Tensor, scale: float) -> Tensor:
    """The definition, one query at a time, with the largest logit taken off before the exponential."""
    out = torch.empty(*q.shape, v.shape[-1], dtype=v.dtype)
    for b, h, i in torch.cartesian_prod(*(torch.arange(size) for size in q.shape)).tolist():
        logits = [scale * q[b, h, i].item() * key for key in k[b, h].tolist()]
        weights = [math.exp(logit - max(logits)) for logit in logits]
        mixed = sum(w * value for w, value in zip(weights, v[b, h], strict=True))
        out[b, h, i] = mixed / sum(weights)
    return out


@pytest.mark.parametrize(
    'batch, heads, n, m, d, scale',
    [(1, 1, 1, 1, 1, 1.0), (2, 3, 7, 5, 4, 0.5), (1, 2, 35, 1, 3, 1.0), (1, 1, 1, 9, 5, -2.0)],
    ids=['one', 'odd', 'one key', 'one query'],
)
def test_equals_the_loop(batch: int, heads: int, n: int, m: int, d: int, scale: float) -> None:
    q, k, v = random_inputs(batch, heads, n, m, d)
    torch.testing.assert_close(strip_attention(q, k, v, scale), by_loop(q, k, v, scale), rtol=1e-12, atol=1e-12)


def test_gradients_of_all_inputs() -> None:
    q, k, v = (x.requires_grad_() for x in random_inputs(2, 2, 5, 3, 4))
    assert torch.autograd.gradcheck(lambda q, k, v: strip_attention(q, k, v, 0.7), (q, k, v))


def test_huge_logits_pick_the_extreme_key() -> None:
    q = torch.tensor([[[1e4, -1e4]]])
    k = torch.tensor([[[-1.0, 0.0, 1.0]]])
    v = torch.tensor([[[[1.0], [2.0], [3.0]]]])
    assert strip_attention(q, k, v).flatten().tolist() == [3.0, 1.0]


def test_no_query() -> None:
    q, k, v = random_inputs(2, 3, 0, 5, 4)
    assert strip_attention(q, k, v).shape == (2, 3, 0, 4)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_is_computed_in_float32(dtype: torch.dtype) -> None:
    q, k, v = random_inputs(1, 2, 33, 17, 8, dtype)
    q, k = 300 * q, 300 * k  # products of 9e4 and more leave the range of float16
    out = strip_attention(q, k, v)
    expected = strip_attention(q.double(), k.double(), v.double()).to(dtype)
    assert out.dtype == dtype
    torch.testing.assert_close(out, expected, rtol=torch.finfo(dtype).eps, atol=0.0)


def test_autocast_changes_nothing() -> None:
    q, k, v = random_inputs(1, 2, 33, 17, 8, torch.float32)
    plain = strip_attention(q, k, v)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(strip_attention(q, k, v), plain)


def test_import_needs_torch_alone() -> None:
    code = (
        'import sys, scaseg.ops; '
        'assert not {"mmengine", "mmcv", "mmseg", "timm"} & set(sys.modules), "an mm package was imported"'
    )
    subprocess.run([sys.executable, '-c', code], check=True)
