"""Strip attention: the definition against a loop, the fast forms against the definition in float64."""

import math
import subprocess
import sys
from collections.abc import Callable
from typing import Any, NamedTuple

import onnxruntime
import pytest
import torch
from torch import Tensor
from torch.utils.checkpoint import checkpoint
from torch.utils.flop_counter import FlopCounterMode

from scaseg.benchmarking.timing import peak_memory
from scaseg.ops import naive_strip_attention, strip_attention
from scaseg.ops.strip_attention import choose_method, interpolated, policy

FAST = ('auto', 'exact', 'interpolated')
OUT_RTOL, VALUE_GRAD_RTOL, QUERY_GRAD_RTOL = 1e-6, 2e-6, 1e-4  # what docs/strip_attention.md promises, Frobenius norms


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


def relative_error(result: Tensor, expected: Tensor) -> float:
    return ((result.double() - expected).norm() / expected.norm()).item()


def with_gradients(function: Callable, inputs: list[Tensor], shift: float = 0.0) -> tuple[Tensor, ...]:
    """Output and gradients of q, k, v, for a fixed random gradient of the output with the mean ``shift``."""
    inputs = [x.detach().requires_grad_() for x in inputs]
    out = function(*inputs)
    grad = (
        torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).to(out.dtype) + shift
    )
    return out.detach(), *torch.autograd.grad(out, inputs, grad)


@pytest.mark.parametrize(
    'batch, heads, n, m, d, scale',
    [(1, 1, 1, 1, 1, 1.0), (2, 3, 7, 5, 4, 0.5), (1, 2, 35, 1, 3, 1.0), (1, 1, 1, 9, 5, -2.0)],
    ids=['one', 'odd', 'one key', 'one query'],
)
def test_the_definition_equals_the_loop(batch: int, heads: int, n: int, m: int, d: int, scale: float) -> None:
    q, k, v = random_inputs(batch, heads, n, m, d)
    torch.testing.assert_close(naive_strip_attention(q, k, v, scale), by_loop(q, k, v, scale), rtol=1e-12, atol=1e-12)


def test_gradients_of_the_definition() -> None:
    q, k, v = (x.requires_grad_() for x in random_inputs(2, 2, 5, 3, 4))
    assert torch.autograd.gradcheck(lambda q, k, v: naive_strip_attention(q, k, v, 0.7), (q, k, v))


@pytest.mark.parametrize('method', FAST)
@pytest.mark.parametrize(
    'shape, scale',
    [
        ((1, 1, 4001, 257, 5), 1.0),
        ((2, 3, 1023, 63, 16), -0.3),
        ((3, 2, 9001, 31, 1), 3.0),
        ((1, 5, 97, 131, 33), 0.1),
        ((1, 1, 20000, 2, 3), 1.0),
    ],
    ids=str,
)
def test_output_and_gradients_keep_the_promise(method: str, shape: tuple[int, ...], scale: float) -> None:
    inputs = random_inputs(*shape, dtype=torch.float32)
    out, *grads = with_gradients(lambda q, k, v: strip_attention(q, k, v, scale, method), inputs)
    expected, *expected_grads = with_gradients(
        lambda q, k, v: naive_strip_attention(q, k, v, scale), [x.double() for x in inputs]
    )
    assert relative_error(out, expected) <= OUT_RTOL
    for grad, expected_grad, rtol in zip(
        grads, expected_grads, (QUERY_GRAD_RTOL, VALUE_GRAD_RTOL, VALUE_GRAD_RTOL), strict=True
    ):
        assert relative_error(grad, expected_grad) <= rtol


def _one_query_far_out(q: Tensor, k: Tensor, v: Tensor) -> None:
    q[0, 0, 7] *= 100


def _one_query_far_out_of_small_ones(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.mul_(0.01)
    q[..., 7] = 1.0


def _one_query_very_far_out(q: Tensor, k: Tensor, v: Tensor) -> None:
    q[0, 0, 7] = 1e7


def _logits_to_1e4(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.mul_(1e4 / (q.abs().max() * k.abs().max()))


def _keys_far_from_zero(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.add_(1000)


def _constant_queries(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.fill_(1.3)


def _ties(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.round_()


def _zeros_of_both_signs(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.abs_()
    k[1].neg_()
    k[:, 0, 3:5] = torch.tensor([0.0, -0.0])
    k[:, 1, 3:5] = torch.tensor([-0.0, 0.0])


def _ties_that_win_for_good(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.round_()
    q.mul_(1000)


def _small_logits(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.mul_(0.01)


def _tiny_times_huge(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.mul_(1e33)
    k.mul_(1e-33)


def _a_column_of_outliers(q: Tensor, k: Tensor, v: Tensor) -> None:
    _a_huge_value_with_hardly_any_weight(q, k, v)
    q[..., ::50] += 60


def _nearly_equal_keys(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.mul_(1e-4)


def _one_key_against_all(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.fill_(0.0)
    k[..., 0] = 1.0
    q.abs_().mul_(3)


def _only_a_losing_key_has_a_value(q: Tensor, k: Tensor, v: Tensor) -> None:
    _one_key_against_all(q, k, v)
    v.fill_(0.0)
    v[..., 0, :] = 1.0


def _a_huge_value_with_hardly_any_weight(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.abs_().neg_()
    k[..., 0] = -4.0
    q.abs_().add_(3)
    v[..., 0, :] *= 1e6


def _values_far_from_zero(q: Tensor, k: Tensor, v: Tensor) -> None:
    v.add_(1000)


def _heavy_tails(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.div_(q.flip(-1).abs() + 1e-3)
    k.div_(k.flip(-1).abs() + 1e-3)


HOSTILE = [
    _one_query_far_out,
    _one_query_far_out_of_small_ones,
    _one_query_very_far_out,
    _logits_to_1e4,
    _keys_far_from_zero,
    _constant_queries,
    _ties,
    _zeros_of_both_signs,
    _ties_that_win_for_good,
    _small_logits,
    _tiny_times_huge,
    _nearly_equal_keys,
    _one_key_against_all,
    _only_a_losing_key_has_a_value,
    _a_huge_value_with_hardly_any_weight,
    _a_column_of_outliers,
    _values_far_from_zero,
    _heavy_tails,
]


class FixedGrid(torch.autograd.Function):
    """The way of a GPU and of an ONNX file: the grid's size does not depend on the data."""

    @staticmethod
    def forward(ctx: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        ctx.problems = t, k, v = tuple(x.flatten(0, 1) for x in (q, k, v))
        fitted = interpolated.fit_to_size(interpolated.sample_queries(t), k, v, rtol=1e-6)
        return interpolated.attend_fitted(t, fitted).view(*q.shape, -1)

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, ...]:
        t, k, v = ctx.problems
        fitted = interpolated.fit_to_size(interpolated.sample_queries(t), k, v, rtol=1e-6, for_gradients=True)
        grads = interpolated.backward_fitted(grad.flatten(0, 1), t, v, fitted)
        return tuple(x.view(*grad.shape[:2], *x.shape[1:]) for x in grads)


@pytest.mark.parametrize('method', [*FAST, 'fixed grid'])
@pytest.mark.parametrize('make_hostile', HOSTILE, ids=lambda function: function.__name__.strip('_'))
def test_hostile_inputs_keep_the_promise(method: str, make_hostile: Callable) -> None:
    q, k, v = random_inputs(2, 2, 3001, 129, 5, torch.float32)
    make_hostile(q, k, v)
    out = FixedGrid.apply(q, k, v) if method == 'fixed grid' else strip_attention(q, k, v, method=method)
    assert relative_error(out, naive_strip_attention(q.double(), k.double(), v.double())) <= OUT_RTOL


@pytest.mark.parametrize('grad', ['random', 'of one sign'])
@pytest.mark.parametrize('function', [strip_attention, FixedGrid.apply], ids=['auto', 'fixed grid'])
@pytest.mark.parametrize('make_hostile', HOSTILE, ids=lambda function: function.__name__.strip('_'))
def test_gradients_of_hostile_inputs(make_hostile: Callable, function: Callable, grad: str) -> None:
    inputs = random_inputs(2, 2, 3001, 129, 5, torch.float32)
    make_hostile(*inputs)
    shift = 0.0 if grad == 'random' else 3.0
    _, *grads = with_gradients(function, inputs, shift)
    _, *expected = with_gradients(naive_strip_attention, [x.double() for x in inputs], shift)
    errors = [relative_error(*pair) for pair in zip(grads, expected, strict=True)]
    assert errors[0] <= QUERY_GRAD_RTOL
    assert max(errors[1:]) <= VALUE_GRAD_RTOL


def _a_masked_key(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.abs_()
    k[..., 3] = -1e38


def _few_keys_and_small_logits(q: Tensor, k: Tensor, v: Tensor) -> None:
    q.mul_(0.03)


def _nearly_equal_keys_and_small_queries(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.mul_(1e-6).add_(1)
    q.mul_(1e-4)


def _values_over_many_decades(q: Tensor, k: Tensor, v: Tensor) -> None:
    k.copy_(k.sort(-1).values.mul_(5))
    v.mul_(10.0 ** torch.linspace(0, 9, v.shape[-2]).unsqueeze(-1))
    q.abs_().neg_()  # the smallest key wins, and has the smallest value


@pytest.mark.parametrize('method', FAST)
@pytest.mark.parametrize(
    'make_hostile',
    [_a_masked_key, _few_keys_and_small_logits, _nearly_equal_keys_and_small_queries, _values_over_many_decades],
    ids=lambda function: function.__name__.strip('_'),
)
def test_inputs_that_a_fuzzer_found(make_hostile: Callable, method: str) -> None:
    """Kinds of inputs that broke the promise of earlier forms of the operator."""
    inputs = random_inputs(1, 2, 9001, 17, 3, torch.float32)
    make_hostile(*inputs)
    out, *grads = with_gradients(lambda *x: strip_attention(*x, method=method), inputs)
    expected, *expected_grads = with_gradients(naive_strip_attention, [x.double() for x in inputs])
    assert relative_error(out, expected) <= OUT_RTOL
    errors = [relative_error(*pair) for pair in zip(grads, expected_grads, strict=True)]
    assert errors[0] <= QUERY_GRAD_RTOL
    assert max(errors[1:]) <= VALUE_GRAD_RTOL


def test_outputs_that_cancel_to_zero() -> None:
    q, k, v = torch.zeros(1, 1, 9), torch.tensor([[[-1.0, 1.0]]]), torch.tensor([[[[-3.0], [3.0]]]])
    out, grad_q, *_ = with_gradients(lambda q, k, v: strip_attention(q, k, v, method='interpolated'), [q, k, v], 1.0)
    expected, expected_grad_q, *_ = with_gradients(naive_strip_attention, [q, k, v], 1.0)
    assert (out == expected).all()
    torch.testing.assert_close(grad_q, expected_grad_q)


def test_equal_keys_and_zero_queries_have_gradients() -> None:
    q, k, v = random_inputs(1, 2, 500, 40, 3, torch.float32)
    for zeroed in (q, k):
        inputs = [torch.zeros_like(x) if x is zeroed else x for x in (q, k, v)]
        out, *grads = with_gradients(lambda *x: strip_attention(*x, method='interpolated'), inputs)
        expected, *expected_grads = with_gradients(naive_strip_attention, [x.double() for x in inputs])
        assert relative_error(out, expected) <= OUT_RTOL
        for grad, expected_grad in zip(grads, expected_grads, strict=True):
            torch.testing.assert_close(grad.double(), expected_grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize('method', [*FAST, 'naive'])
@pytest.mark.parametrize('n, m, batch', [(1, 9, 1), (9, 1, 1), (0, 5, 2), (5, 0, 2), (5, 5, 0)], ids=str)
def test_few_or_no_tokens(method: str, n: int, m: int, batch: int) -> None:
    inputs = random_inputs(batch, 3, n, m, 4, torch.float32)
    out, *grads = with_gradients(lambda *x: strip_attention(*x, method=method), inputs)
    expected, *expected_grads = with_gradients(naive_strip_attention, [x.double() for x in inputs])
    torch.testing.assert_close(out.double(), expected, rtol=1e-6, atol=1e-6)
    for grad, expected_grad in zip(grads, expected_grads, strict=True):
        torch.testing.assert_close(grad.double(), expected_grad, rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize('method', FAST)
@pytest.mark.parametrize('name', 'qkv')
@pytest.mark.parametrize('bad', [math.nan, math.inf, -math.inf])
def test_nan_and_inf_spread_as_in_softmax(method: str, name: str, bad: float) -> None:
    inputs = dict(zip('qkv', random_inputs(1, 2, 3000, 65, 4, torch.float32), strict=True))
    inputs[name][0, 1, 3] = bad
    expected = naive_strip_attention(**inputs)
    out = strip_attention(**inputs, method=method)
    assert not expected.isfinite().all()
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5, equal_nan=True)


@pytest.mark.parametrize('method', FAST)
def test_views_that_are_not_contiguous(method: str) -> None:
    q, k, v = random_inputs(1, 4, 2000, 64, 6, torch.float32)
    views = q.mT.contiguous().mT, k.repeat_interleave(2, -1)[..., ::2], v.transpose(1, 2).contiguous().transpose(1, 2)
    assert not any(x.is_contiguous() for x in views)
    assert torch.equal(strip_attention(*views, method=method), strip_attention(q, k, v, method=method))


@pytest.mark.parametrize('method', FAST)
def test_results_lie_in_memory_as_the_compiler_is_told(method: str) -> None:
    q, k, v = random_inputs(1, 4, 200, 64, 6, torch.float32)
    views = q.mT.contiguous().mT, k.mT.contiguous().mT, v.transpose(1, 2).contiguous().transpose(1, 2)
    out, *grads = with_gradients(lambda *x: strip_attention(*x, method=method), list(views))
    assert all(x.is_contiguous() for x in (out, *grads))


def test_the_exact_form_never_holds_all_weights() -> None:
    """Neither of one head nor, a few rows each, of many heads."""
    q, k, v = random_inputs(4, 16, 64, 4096, 1, torch.float32)
    extra = peak_memory(
        lambda: with_gradients(lambda *x: strip_attention(*x, method='exact'), [q, k, v]), torch.device('cpu')
    )
    weights = 8 * q.numel() * k.shape[-1]
    assert extra < weights / 6


def test_there_are_no_forward_mode_derivatives_unless_naive() -> None:
    q, k, v = random_inputs(1, 2, 30, 6, 4)
    with pytest.raises(NotImplementedError, match="method='naive' has"):
        torch.func.jvp(lambda x: strip_attention(x, k, v), (q,), (torch.ones_like(q),))
    naive = torch.func.jvp(lambda x: strip_attention(x, k, v, method='naive'), (q,), (torch.ones_like(q),))[1]
    expected = torch.func.jvp(lambda x: naive_strip_attention(x, k, v), (q,), (torch.ones_like(q),))[1]
    torch.testing.assert_close(naive, expected)


def test_float64_keeps_twelve_digits() -> None:
    q, k, v = random_inputs(1, 1, 40000, 64, 2)
    expected, *expected_grads = with_gradients(naive_strip_attention, [q, k, v])
    out, *grads = with_gradients(lambda *x: strip_attention(*x, method='interpolated'), [q, k, v])
    assert relative_error(out, expected) <= 1e-12
    assert max(relative_error(*pair) for pair in zip(grads, expected_grads, strict=True)) <= 1e-8


@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
@pytest.mark.parametrize('method', FAST)
def test_half_precision_is_computed_in_float32(dtype: torch.dtype, method: str) -> None:
    q, k, v = random_inputs(1, 2, 3000, 65, 8, dtype)
    q, k = 300 * q, 300 * k  # products of 9e4 and more leave the range of float16
    out = strip_attention(q, k, v, method=method)
    expected = naive_strip_attention(q.double(), k.double(), v.double())
    assert out.dtype == dtype
    assert relative_error(out, expected) <= 2 * relative_error(expected.to(dtype), expected)


@pytest.mark.parametrize('method', [*FAST, 'naive'])
def test_autocast_changes_nothing(method: str) -> None:
    inputs = [x.requires_grad_() for x in random_inputs(1, 2, 3000, 65, 8, torch.float32)]
    plain = strip_attention(*inputs, method=method)
    with torch.autocast('cpu', dtype=torch.bfloat16):
        cast = strip_attention(*inputs, method=method)
    assert torch.equal(plain, cast)
    gradients = [torch.autograd.grad(out, inputs, torch.ones_like(out)) for out in (plain, cast)]
    assert all(torch.equal(*pair) for pair in zip(*gradients, strict=True))


@pytest.mark.parametrize('rtol', [1e-2, 1e-3, 1e-5])
def test_a_looser_bound_is_kept_with_fewer_cells(rtol: float) -> None:
    q, k, v = random_inputs(1, 2, 20000, 64, 8, torch.float32)
    error = relative_error(
        strip_attention(q, k, v, method='interpolated', rtol=rtol),
        naive_strip_attention(*(x.double() for x in (q, k, v))),
    )
    assert 0 < error <= rtol
    t, k, v = q[0], k[0], v[0]
    assert interpolated.fit_to_data(t, k, v, rtol).grid.cells < interpolated.fit_to_data(t, k, v, 1e-6).grid.cells


def test_more_cells_where_the_first_guess_errs() -> None:
    q, k, v = random_inputs(1, 1, 3000, 129, 2, torch.float32)
    _only_a_losing_key_has_a_value(q, k, v)
    t, k, v = q[0], k[0], v[0]
    fitted = interpolated.fit_to_data(t, k, v, 1e-6)
    octaves = fitted.grid.cells * fitted.grid.step.item() / math.log(2)
    guess = interpolated.cells_per_octave(129, 1e-6) * octaves
    assert fitted.grid.cells > math.ceil(guess)
    assert interpolated.fit_to_data(t, k, v, 1e-6, most_cells=math.ceil(guess)) is None


def test_auto_takes_the_cheaper_form_and_says_which() -> None:
    assert choose_method(*random_inputs(1, 2, 16384, 256, 4, torch.float32)) == 'interpolated'
    assert choose_method(*random_inputs(1, 2, 60, 256, 4, torch.float32)) == 'exact'  # N < grid
    assert choose_method(*random_inputs(1, 2, 16384, 4, 4, torch.float32)) == 'exact'  # few keys
    assert choose_method(*random_inputs(1, 2, 4096, 256, 4)) == 'exact'  # 1e-12 asks for too many points
    assert choose_method(*random_inputs(1, 2, 0, 256, 4)) == 'naive'
    q, k, v = random_inputs(1, 2, 16384, 256, 4, torch.float32)
    k[0, 0, 0] = math.inf
    assert choose_method(q, k, v) == 'exact'


def test_so_many_tokens_that_their_weights_could_not_exist() -> None:
    q, k, v = random_inputs(1, 1, 200_000, 200_000, 2, torch.float32)  # 160 GB of weights
    out, grad_q, grad_k, grad_v = with_gradients(strip_attention, [q, k, v])
    some = torch.arange(0, 200_000, 4001)
    expected = naive_strip_attention(q[..., some].double(), k.double(), v.double())
    assert relative_error(out[..., some, :], expected) <= OUT_RTOL
    assert grad_v.sum().item() == pytest.approx(
        torch.randn(out.shape, generator=torch.Generator().manual_seed(1), dtype=torch.float64).sum().item(), rel=1e-3
    )  # the weights of a query sum to one
    assert grad_q.isfinite().all()
    assert grad_k.isfinite().all()


def test_torch_accepts_the_operator() -> None:
    inputs = [x.requires_grad_() for x in random_inputs(1, 2, 300, 20, 3, torch.float32)]
    for method in FAST:
        torch.library.opcheck(torch.ops.scaseg.strip_attention, (*inputs, 0.7, method, 1e-6))


def test_compiles_without_a_break_and_once_for_all_data() -> None:
    compiled = torch.compile(lambda q, k, v: strip_attention(2 * q, k, v).sin(), backend='aot_eager', fullgraph=True)
    with torch._dynamo.config.patch(error_on_recompile=True):
        for spread in (1.0, 30.0, 1e-3):
            q, k, v = random_inputs(1, 2, 2000, 64, 3, torch.float32)
            result = with_gradients(compiled, [spread * q, k, v])
            expected = with_gradients(lambda q, k, v: strip_attention(2 * q, k, v).sin(), [spread * q, k, v])
            assert all(torch.equal(*pair) for pair in zip(result, expected, strict=True))


def test_checkpointing_changes_nothing() -> None:
    inputs = random_inputs(1, 2, 2000, 64, 3, torch.float32)
    plain = with_gradients(strip_attention, inputs)
    again = with_gradients(lambda *x: checkpoint(strip_attention, *x, use_reentrant=False), inputs)
    assert all(torch.equal(*pair) for pair in zip(plain, again, strict=True))


class Attention(torch.nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.one = torch.nn.Parameter(torch.ones(()))  # as in a model, the inputs need gradients

    def forward(self, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        return strip_attention(self.one * q, self.one * k, self.one * v, 0.5)


def run_onnx(program: Any, q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    session = onnxruntime.InferenceSession(program.SerializeToString())
    names = [node.name for node in session.get_inputs()]
    return torch.from_numpy(session.run(None, dict(zip(names, (x.numpy() for x in (q, k, v)), strict=True)))[0])


def test_exports_to_onnx_without_the_weights() -> None:
    q, k, v = random_inputs(1, 2, 3000, 65, 4, torch.float32)
    program = torch.onnx.export(Attention().eval(), (q, k, v), dynamo=True, verbose=False).model_proto
    shapes = [[size.dim_value for size in value.type.tensor_type.shape.dim] for value in program.graph.value_info]
    assert max(map(math.prod, shapes)) < 2 * 3000 * 65
    for spread in (1.0, 20.0):
        expected = naive_strip_attention(spread * q.double(), k.double(), v.double(), 0.5)
        assert relative_error(run_onnx(program, spread * q, k, v), expected) <= OUT_RTOL


def test_exports_to_onnx_for_any_batch_and_number_of_queries() -> None:
    batch, queries = torch.export.Dim('batch', max=2**10), torch.export.Dim('queries', min=2, max=2**20)
    sizes = {0: batch, 2: queries}, {0: batch}, {0: batch}
    inputs = tuple(random_inputs(2, 3, 1000, 65, 4, torch.float32))
    program = torch.onnx.export(Attention().eval(), inputs, dynamic_shapes=sizes, dynamo=True, verbose=False)
    others = random_inputs(5, 3, 333, 65, 4, torch.float32)
    expected = naive_strip_attention(*(x.double() for x in others), 0.5)
    assert relative_error(run_onnx(program.model_proto, *others), expected) <= OUT_RTOL


@pytest.mark.parametrize('device', ['cpu', 'meta'])
def test_the_flop_counter_sees_the_definition(device: str) -> None:
    q, k, v = (x.to(device).requires_grad_() for x in random_inputs(2, 3, 300, 40, 5, torch.float32))
    with FlopCounterMode(display=False) as forward:
        out = strip_attention(q, k, v)
    with FlopCounterMode(display=False) as backward:
        out.backward(torch.ones_like(out))
    products = 2 * 3 * 300 * 40 * (1 + 5)
    assert (forward.get_total_flops(), backward.get_total_flops()) == (2 * products, 4 * products)


@pytest.mark.parametrize(
    'change, message',
    [
        (dict(method='fast'), "method='fast': expected"),
        (dict(rtol=1e-8), 'rtol=1e-08: torch.float32 can keep 1e-06 at best'),
        (dict(k=torch.zeros(1, 2, 8)), r'got q \(1, 2, 30\), k \(1, 2, 8\), v \(1, 2, 7, 3\)'),
        (dict(q=torch.zeros(1, 2, 30, 1)), 'expected q'),
        (dict(v=torch.zeros(1, 2, 7, 3).double()), 'one floating dtype'),
        (dict(v=torch.zeros(1, 2, 7, 3, device='meta')), 'on one device'),
    ],
)
def test_inputs_that_do_not_fit(change: dict, message: str) -> None:
    inputs = dict(zip('qkv', random_inputs(1, 2, 30, 7, 3, torch.float32), strict=True))
    with pytest.raises(ValueError, match=message):
        strip_attention(**inputs | change)


def test_import_needs_torch_alone() -> None:
    code = (
        'import sys, scaseg.ops; '
        'assert not {"mmengine", "mmcv", "mmseg", "timm"} & set(sys.modules), "more than torch was imported"'
    )
    subprocess.run([sys.executable, '-c', code], check=True)


@pytest.mark.parametrize('sizes', [(1, 1, 7, 3, 5), (2, 3, 101, 33, 20), (1, 2, 64, 257, 8)], ids=str)
def test_fused_attention_on_padded_channels_is_the_definition(sizes: tuple[int, ...]) -> None:
    inputs = [x.requires_grad_() for x in random_inputs(*sizes, torch.float32)]
    doubles = [x.detach().double().requires_grad_() for x in inputs]
    out, expected = strip_attention(*inputs, 0.7, 'padded_sdpa'), naive_strip_attention(*doubles, 0.7)
    grad = torch.randn_like(out)
    grads = torch.autograd.grad(out, inputs, grad)
    expected_grads = torch.autograd.grad(expected, doubles, grad.double())
    for ours, theirs in zip((out, *grads), (expected, *expected_grads), strict=True):
        assert (ours - theirs).norm() <= 2e-6 * theirs.norm()


class OnGpu(NamedTuple):
    """What the policy looks at, of tensors that are not here."""

    shape: tuple[int, ...]
    is_cuda: bool = True
    dtype: torch.dtype = torch.float32


def test_a_gpu_takes_fused_attention_where_that_is_not_too_quadratic_and_never_unproven_kernels() -> None:
    queries, keys = OnGpu((8, 131072)), OnGpu((8, 2048))
    assert policy.takes_fused_attention(queries, keys, 'auto')
    assert not policy.takes_fused_attention(queries, queries, 'auto')
    assert not policy.takes_fused_attention(queries._replace(dtype=torch.float64), keys, 'auto')
    assert not policy.takes_fused_attention(queries._replace(is_cuda=False), keys, 'auto')
    assert policy.choose(queries, queries, 'auto', 1e-6)[0] == 'interpolated'
    assert policy.choose(queries, keys, 'triton', 1e-6)[0] == 'triton'
