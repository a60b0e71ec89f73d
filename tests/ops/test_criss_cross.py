"""Criss-cross attention against its definition, one pixel at a time."""

import io

import pytest
import torch
from torch import Tensor, nn
from torch.export import Dim
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from scaseg.ops import criss_cross
from scaseg.ops.criss_cross.naive import criss_cross as naive

SIZES = {
    'odd': (2, 3, 5, 5, 7),
    'one row': (2, 3, 5, 1, 7),
    'one column': (2, 3, 5, 6, 1),
    'one pixel': (1, 2, 3, 1, 1),
    'one image': (1, 3, 5, 6, 4),
}
all_sizes = pytest.mark.parametrize('batch, d, c, height, width', SIZES.values(), ids=SIZES)


def random_inputs(
    batch: int, d: int, c: int, height: int, width: int, dtype: torch.dtype = torch.float64
) -> list[Tensor]:
    generator = torch.Generator().manual_seed(0)
    return [
        torch.randn(batch, channels, height, width, generator=generator, dtype=torch.float64).to(dtype)
        for channels in (d, d, c)
    ]


@all_sizes
def test_equals_the_definition(batch: int, d: int, c: int, height: int, width: int) -> None:
    inputs = random_inputs(batch, d, c, height, width)
    torch.testing.assert_close(criss_cross(*inputs), naive(*inputs), rtol=1e-12, atol=1e-12)


@all_sizes
def test_gradients_equal_those_of_the_definition(batch: int, d: int, c: int, height: int, width: int) -> None:
    inputs = [x.requires_grad_() for x in random_inputs(batch, d, c, height, width)]
    upstream = torch.randn_like(inputs[2])
    found, expected = (torch.autograd.grad(f(*inputs), inputs, upstream) for f in (criss_cross, naive))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12)


def test_gradients_are_those_of_finite_differences() -> None:
    assert torch.autograd.gradcheck(criss_cross, [x.requires_grad_() for x in random_inputs(2, 2, 2, 3, 2)])


def test_each_pixel_on_the_path_counts_once() -> None:
    """With equal logits the output is the plain mean over column and row, the pixel itself in it once."""
    height, width = 3, 4
    v = torch.zeros(1, 1, height, width)
    v[0, 0, 1, 2] = 1.0
    out = criss_cross(torch.zeros(1, 1, height, width), torch.randn(1, 1, height, width), v)[0, 0]
    on_path = torch.zeros(height, width, dtype=torch.bool)
    on_path[1], on_path[:, 2] = True, True
    torch.testing.assert_close(out, on_path / (height + width - 1))


def test_channels_last_changes_nothing() -> None:
    inputs = random_inputs(2, 3, 5, 5, 7)
    out = criss_cross(*(x.contiguous(memory_format=torch.channels_last) for x in inputs))
    torch.testing.assert_close(out, criss_cross(*inputs), rtol=1e-12, atol=1e-12)


def test_huge_logits_pick_the_best_key() -> None:
    q, k, v = random_inputs(2, 3, 5, 5, 7, torch.float32)
    inputs = [x.requires_grad_() for x in (1e4 * q, 1e4 * k, v)]
    out = criss_cross(*inputs)
    out.sum().backward()
    torch.testing.assert_close(out, naive(*inputs), rtol=1e-6, atol=1e-6)
    assert all(x.grad.isfinite().all() for x in inputs)


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16])
def test_half_precision_has_logits_and_softmax_in_float32(dtype: torch.dtype) -> None:
    q, k, v = random_inputs(1, 8, 5, 6, 9, dtype)
    q, k = 100 * q, 100 * k  # products of 1e4 and more, summed over 8 channels, leave the range of float16
    out = criss_cross(q, k, v)
    expected = naive(q.double(), k.double(), v.double())
    assert out.dtype == dtype
    torch.testing.assert_close(
        out.double(), expected, rtol=0.0, atol=4 * torch.finfo(dtype).eps * v.abs().max().item()
    )


def test_autocast_changes_nothing() -> None:
    inputs = random_inputs(1, 3, 5, 6, 9, torch.float32)
    plain = criss_cross(*inputs)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        assert torch.equal(criss_cross(*inputs), plain)


class Made(TorchDispatchMode):
    """Keeps every tensor that an operator makes, so that none is freed and its place used again."""

    def __init__(self) -> None:
        super().__init__()
        self.tensors: list[Tensor] = []

    def __torch_dispatch__(self, func, types, args=(), kwargs=None):
        out = func(*args, **(kwargs or {}))
        self.tensors += [x for x in tree_leaves(out) if isinstance(x, Tensor)]
        return out

    def numbers(self, given: list[Tensor]) -> int:
        """How many, beside the given ones: a bound on what is in memory at any time."""
        stores = {x.untyped_storage().data_ptr(): x.untyped_storage().nbytes() for x in self.tensors}
        return sum(size for place, size in stores.items() if place not in {x.data_ptr() for x in given}) // 4


@pytest.mark.parametrize('height, width', [(16, 24), (32, 48), (4, 96)])
def test_memory_grows_with_pixels_times_height_plus_width(height: int, width: int) -> None:
    """Never a number for each pair of pixels, forward and backward."""
    batch, d, c = 2, 4, 8
    inputs = [x.requires_grad_() for x in random_inputs(batch, d, c, height, width, torch.float32)]
    maps, paths = batch * (2 * d + c) * height * width, batch * height * width * (height + width)
    with Made() as forward:
        out = criss_cross(*inputs)
    with Made() as backward:
        out.backward(torch.ones_like(out))
    assert forward.numbers(inputs) <= 4 * paths + 4 * maps
    assert backward.numbers(inputs) <= 6 * paths + 10 * maps
    assert max(x.numel() for x in forward.tensors + backward.tensors) <= max(maps, paths)


class Module(nn.Module):
    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return criss_cross(q, k, v)


def test_exports_for_any_size() -> None:
    sides = {0: Dim.AUTO, 2: Dim.AUTO, 3: Dim.AUTO}
    exported = torch.export.export(Module(), tuple(random_inputs(2, 3, 5, 4, 6)), dynamic_shapes=(sides, sides, sides))
    inputs = random_inputs(3, 3, 5, 7, 5)
    torch.testing.assert_close(exported.module()(*inputs), criss_cross(*inputs))
    assert 'diag' not in str(exported.graph)


def test_onnx_knows_every_operator() -> None:
    inputs = tuple(random_inputs(2, 3, 5, 4, 6, torch.float32))
    torch.onnx.export(Module(), inputs, io.BytesIO(), dynamo=False)
