"""The GPU kernels of strip attention: through Triton's interpreter, compiled for GPUs, and run where there is one."""

import subprocess
import sys

import pytest
import torch

from scaseg.ops import naive_strip_attention, strip_attention
from scaseg.ops.strip_attention.interpolated import HAS_TRITON

needs_triton = pytest.mark.skipif(not HAS_TRITON, reason='triton is not installed')

INTERPRETED = """
import torch
from scaseg.ops.strip_attention import interpolated, read_off, triton_read_off
torch.manual_seed(0)
for dtype, rtol in ((torch.float32, 1e-5), (torch.float64, 1e-12)):
    t, k, v = (torch.randn(3, *rest, dtype=dtype) for rest in ((77,), (19,), (19, 5)))
    t[0, 1], t[0, 3], t[1, 2], t[2, 5] = 200.0, torch.nan, torch.inf, 0.0
    fitted = interpolated.fit_to_data(t, k.double(), v, 1e-6)
    geometry = fitted.table, fitted.grid
    plain, kernel = (module.read_off(t, *geometry) for module in (read_off, triton_read_off))
    torch.testing.assert_close(kernel, plain, rtol=rtol, atol=rtol, equal_nan=True)
    assert plain.isnan().any(-1).sum() == 2
    t, grad = t.nan_to_num(0, 1), torch.randn(3, 77, 5, dtype=dtype)
    plain, kernel = (module.read_off_backward(grad, t, *geometry) for module in (read_off, triton_read_off))
    for ours, expected in zip(kernel, plain):
        assert (ours - expected).norm() <= rtol * expected.norm()
"""


@needs_triton
def test_kernels_equal_the_plain_form_in_the_interpreter() -> None:
    command = [sys.executable, '-W', 'ignore::RuntimeWarning', '-c', INTERPRETED]
    subprocess.run(command, check=True, env={'TRITON_INTERPRET': '1', 'CUDA_VISIBLE_DEVICES': ''})


@needs_triton
@pytest.mark.parametrize('capability', [80, 90])
@pytest.mark.parametrize('dtype', ['fp32', 'fp64'])
def test_kernels_compile_for_gpus(capability: int, dtype: str) -> None:
    import triton
    from triton.backends.compiler import GPUTarget

    from scaseg.ops.strip_attention import triton_read_off

    for kernel in (triton_read_off._read_off, triton_read_off._read_off_backward):
        signature = {name: f'*{dtype}' for name in kernel.arg_names if name.endswith('_ptr')}
        signature |= {name: '*fp64' for name in signature if name == 'grad_table_ptr'}
        signature |= {'queries': 'i32', 'cells': 'i32', 'channels': 'constexpr'}
        signature |= {'block_n': 'constexpr', 'block_d': 'constexpr'}
        source = triton.compiler.ASTSource(kernel, signature, constexprs=dict(channels=20, block_n=128, block_d=32))
        assert 'cubin' in triton.compile(source, target=GPUTarget('cuda', capability, 32)).asm


@pytest.mark.skipif(not torch.cuda.is_available(), reason='needs a GPU: CUDA_VISIBLE_DEVICES=0 pytest tests/ops')
@pytest.mark.parametrize('deterministic', [False, True])
def test_a_gpu_keeps_the_promise_without_waiting(deterministic: bool) -> None:
    torch.use_deterministic_algorithms(deterministic)
    try:
        q, k, v = (torch.randn(2, 3, *rest, device='cuda').requires_grad_() for rest in ((9001,), (257,), (257, 20)))
        torch.cuda.set_sync_debug_mode('error')
        out = strip_attention(q, k, v)
        grads = torch.autograd.grad(out, (q, k, v), out.detach())
        torch.cuda.set_sync_debug_mode('default')
        doubles = [x.detach().double().requires_grad_() for x in (q, k, v)]
        expected = naive_strip_attention(*doubles)
        expected_grads = torch.autograd.grad(expected, doubles, out.detach().double())
        assert (out - expected).norm() <= 1e-6 * expected.norm()
        for ours, theirs, rtol in zip(grads, expected_grads, (1e-4, 2e-6, 2e-6), strict=True):
            assert (ours - theirs).norm() <= rtol * theirs.norm()
    finally:
        torch.cuda.set_sync_debug_mode('default')
        torch.use_deterministic_algorithms(False)
