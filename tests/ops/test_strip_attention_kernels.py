"""The GPU kernels of strip attention: through Triton's interpreter, compiled for GPUs, and run where there is one."""

import subprocess
import sys

import pytest
import torch

from scaseg.ops import naive_strip_attention, strip_attention
from scaseg.ops.strip_attention.policy import HAS_TRITON

needs_triton = pytest.mark.skipif(not HAS_TRITON, reason='triton is not installed')

READ_OFF = """
import torch
from scaseg.ops.strip_attention import interpolated, read_off, triton_read_off
torch.manual_seed(0)
for dtype, rtol in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
    t, k, v = (torch.randn(3, *rest, dtype=dtype) for rest in ((77,), (19,), (19, 5)))
    t[0, 1], t[0, 3], t[1, 2], t[2, 5] = 200.0, torch.nan, torch.inf, 0.0
    fitted = interpolated.fit_to_data(t, k, v, 1e-6)
    geometry = fitted.table, fitted.grid
    plain, kernel = (module.read_off(t, *geometry) for module in (read_off, triton_read_off))
    torch.testing.assert_close(kernel, plain, rtol=rtol, atol=rtol, equal_nan=True)
    assert plain.isnan().any(-1).sum() == 2
    t, grad = t.nan_to_num(0, 1), torch.randn(3, 77, 5, dtype=dtype)
    plain, kernel = (module.read_off_backward(grad, t, *geometry) for module in (read_off, triton_read_off))
    for ours, expected in zip(kernel, plain):
        assert (ours - expected).norm() <= rtol * expected.norm()
"""

# An ordinary head, one that a grid of fixed size fails at, two close to that, and one with a NaN among its keys.
FIVE_HEADS = """
import torch
from scaseg.ops import naive_strip_attention, strip_attention
from scaseg.ops.strip_attention import curve, interpolated, triton_exact
torch.manual_seed(0)
t, k, v = (torch.randn(5, *rest) for rest in ((77,), (19,), (19, 5)))
k[1], t[1] = torch.logspace(-15, 15, 19), -torch.logspace(-15, 15, 77)
k[2], t[2] = -torch.logspace(-9, 9, 19), torch.logspace(-9, 9, 77)
t[3], v[3, 1:], k[3], k[3, 0] = 6.0, 0.0, 2.0, -2.0
k[4, 3] = torch.nan
grad = torch.randn(5, 77, 5)
inputs = [x.double().requires_grad_() for x in (t, k, v)]
exact = naive_strip_attention(*(x.unsqueeze(0) for x in inputs))[0]
exact_grads = torch.autograd.grad(exact, inputs, grad.double())
def errors(ours, exact):  # of each head
    return ((ours - exact).flatten(1).norm(dim=1) / exact.flatten(1).norm(dim=1)).tolist()
"""

NET = """
alone = interpolated.attend_fitted(t, interpolated.fit_to_size(interpolated.sample_queries(t), k, v, 1e-6))
assert errors(alone, exact)[1] > 1e-6
inputs = [x.clone().requires_grad_() for x in (t, k, v)]
out = strip_attention(*(x.unsqueeze(0) for x in inputs), method='triton')[0]
grads = torch.autograd.grad(out, inputs, grad)
for ours, expected, rtol in zip((out, *grads), (exact, *exact_grads), (1e-6, 1e-4, 2e-6, 2e-6)):
    assert max(errors(ours[:4], expected[:4])) <= rtol
    assert (ours.isnan() == expected.isnan()).all()
"""

EXACT = """
keys, some = curve.rank_keys(k), torch.tensor([True, True, True, True, False])
results = [torch.full_like(x, 7) for x in (grad, t, k.double(), v)]
triton_exact.attend(some, t, keys, v, results[0])
triton_exact.attend_backward(some, grad, t, keys, v, *results[1:])
for ours, expected in zip(results, (exact, *exact_grads)):
    assert max(errors(ours[:4], expected[:4])) <= 2e-7
    assert (ours[4] == 7).all()
"""


def _interpret(program: str) -> None:
    command = [sys.executable, '-W', 'ignore::RuntimeWarning', '-c', program]
    subprocess.run(command, check=True, env={'TRITON_INTERPRET': '1', 'CUDA_VISIBLE_DEVICES': ''})


@needs_triton
def test_kernels_equal_the_plain_form_in_the_interpreter() -> None:
    _interpret(READ_OFF)


@needs_triton
def test_the_net_catches_what_a_grid_of_fixed_size_does_not() -> None:
    _interpret(FIVE_HEADS + NET)


@needs_triton
def test_exact_kernels_replace_what_is_doubtful_and_nothing_else() -> None:
    _interpret(FIVE_HEADS + EXACT)


@needs_triton
@pytest.mark.parametrize('capability', [80, 90])
@pytest.mark.parametrize('dtype', ['fp32', 'fp64'])
def test_kernels_compile_for_gpus(capability: int, dtype: str) -> None:
    import triton
    from triton.backends.compiler import GPUTarget

    from scaseg.ops.strip_attention import triton_exact, triton_read_off

    types = dict.fromkeys(('knee', 'step', 'distance', 'mass', 'mean_along', 'grad_k', 'grad_table'), '*fp64')
    types['doubtful'] = '*i1'
    constants = dict(channels=20, block=128, block_d=32)
    functions = [x for x in (vars(triton_read_off) | vars(triton_exact)).values() if isinstance(x, triton.JITFunction)]
    kernels = [function for function in functions if 'block' in function.arg_names]
    assert len(kernels) == 5
    for kernel in kernels:
        signature = {name: 'constexpr' if name in constants else 'i32' for name in kernel.arg_names}
        pointers = [name for name in kernel.arg_names if name.endswith('_ptr')]
        signature |= {name: types.get(name.removesuffix('_ptr'), f'*{dtype}') for name in pointers}
        source = triton.compiler.ASTSource(kernel, signature, constexprs=constants)
        assert 'cubin' in triton.compile(source, target=GPUTarget('cuda', capability, 32)).asm


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU: CUDA_VISIBLE_DEVICES=0 pytest tests/ops')
@pytest.mark.parametrize('deterministic', [False, True])
@pytest.mark.parametrize('octaves', [3, 100])
def test_a_gpu_keeps_the_promise(deterministic: bool, octaves: int) -> None:
    q, k, v = (torch.randn(2, 3, *rest, device='cuda') for rest in ((9001,), (257,), (257, 20)))
    q[:, 1] *= torch.logspace(-octaves / 7, octaves / 7, 9001, device='cuda')
    k[:, 1] *= torch.logspace(-octaves / 7, octaves / 7, 257, device='cuda')
    inputs, grad = [x.requires_grad_() for x in (q, k, v)], torch.randn(2, 3, 9001, 20, device='cuda')
    torch.use_deterministic_algorithms(deterministic)
    torch.cuda.set_sync_debug_mode('default' if deterministic else 'error')  # only kernels go without waiting
    method = 'auto' if deterministic else 'triton'
    try:
        out = strip_attention(*inputs, method=method)
        grads = torch.autograd.grad(out, inputs, grad)
    finally:
        torch.cuda.set_sync_debug_mode('default')
        torch.use_deterministic_algorithms(False)
    doubles = [x.detach().double().requires_grad_() for x in inputs]
    expected = naive_strip_attention(*doubles)
    expected_grads = torch.autograd.grad(expected, doubles, grad.double())
    for ours, theirs, rtol in zip((out, *grads), (expected, *expected_grads), (1e-6, 1e-4, 2e-6, 2e-6), strict=True):
        assert (ours - theirs).norm() <= rtol * theirs.norm()
