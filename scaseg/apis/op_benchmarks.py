"""What ``tools/analysis/bench_ops.py`` measures: for every operator its tests, its sizes and the forms it has."""

import importlib.util
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import mmcv
import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from scaseg.errors import UserError
from scaseg.ops import criss_cross, naive_strip_attention, strip_attention

MOST_WEIGHTS = 2**27  # N·M·heads up to which a form in O(N·M) is measured with all its queries


@dataclass(frozen=True)
class Case:
    """One size of an operator.

    Attributes:
        sizes: what tells it from the others.
        inputs: tensors, which gradients are taken of.
        forms: functions of the inputs, by name; the first one is what the others are compared with.
        reference: the inputs in float64 -> what the output should be, at the positions of ``sample``.
        sample: output -> the part of it that is compared.
        few: inputs for forms whose cost is linear in the queries and too high; with ``share`` times fewer queries.
        share: see ``few``.
        slow: the forms that take ``few``.
    """

    sizes: Mapping[str, int]
    inputs: Sequence[Tensor]
    forms: Mapping[str, Callable[..., Tensor]]
    reference: Callable[..., Tensor]
    sample: Callable[[Tensor], Tensor] = lambda out: out
    few: Sequence[Tensor] = ()
    share: int = 1
    slow: frozenset[str] = field(default_factory=frozenset)


@dataclass(frozen=True)
class OpBenchmark:
    """Tests that must pass first, and the cases."""

    tests: tuple[str, ...]
    cases: Callable[[torch.device], Iterator[Case]]


def strip_attention_cases(device: torch.device) -> Iterator[Case]:
    """(N, M) from the third level of a 512² image to the first of 1024×2048 unpooled; 8 heads of 16 channels."""
    for queries, keys in ((1024, 256), (4096, 256), (16384, 256), (32768, 512), (131072, 2048), (131072, 131072)):
        yield _strip_attention_case(queries, keys, device)


def _strip_attention_case(queries: int, keys: int, device: torch.device, heads: int = 8, channels: int = 16) -> Case:
    generator = torch.Generator(device).manual_seed(0)
    shapes = (1, heads, queries), (1, heads, keys), (1, heads, keys, channels)
    q, k, v = (torch.randn(shape, generator=generator, device=device) for shape in shapes)
    out = torch.randn(1, heads, queries, channels, device=device)
    stride = max(1, queries // 256)
    share = max(1, heads * queries * keys // MOST_WEIGHTS)
    quadratic: dict[str, Callable[..., Tensor]] = {
        'exact': lambda q, k, v: strip_attention(q, k, v, method='exact'),
        'naive': naive_strip_attention,
        'sdpa': _sdpa,
        'sdpa, padded': _padded_sdpa,
    }
    if device.type == 'cuda':
        quadratic |= {'sdpa, flash': _flash_sdpa, 'sdpa, efficient': _efficient_sdpa}
    return Case(
        sizes={'N': queries, 'M': keys, 'h': heads, 'd': channels},
        inputs=(q, k, v),
        forms={
            'interpolated': lambda q, k, v: strip_attention(q, k, v, method='interpolated'),
            **quadratic,
            'copy of the output': lambda q, k, v: torch.empty_like(out).copy_(out),
        },
        reference=lambda q, k, v: naive_strip_attention(q[..., ::stride], k, v),
        sample=lambda out: out[..., ::stride, :],
        few=(q[..., ::share].contiguous(), k, v),
        share=share,
        slow=frozenset(quadratic),
    )


def _sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    return F.scaled_dot_product_attention(q.unsqueeze(-1), k.unsqueeze(-1), v, scale=1.0)


def _padded_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Queries and keys filled up with zeros to the channels of the values, which the fused kernels ask for."""
    fill = (0, v.shape[-1] - 1)
    return F.scaled_dot_product_attention(F.pad(q.unsqueeze(-1), fill), F.pad(k.unsqueeze(-1), fill), v, scale=1.0)


def _flash_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Flash attention, which has half precision only."""
    with sdpa_kernel(SDPBackend.FLASH_ATTENTION):
        return _padded_sdpa(q.bfloat16(), k.bfloat16(), v.bfloat16()).float()


def _efficient_sdpa(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    with sdpa_kernel(SDPBackend.EFFICIENT_ATTENTION):
        return _padded_sdpa(q, k, v)


def criss_cross_cases(device: torch.device) -> Iterator[Case]:
    """Stride 8: crops of 512² (one and eight), 769² (two), and 1024×2048; 512 channels, 64 of queries, as in CCNet."""
    for batch, height, width in ((1, 64, 64), (8, 64, 64), (2, 97, 97), (1, 128, 256)):
        for layout in (torch.channels_last, torch.contiguous_format):
            generator = torch.Generator(device).manual_seed(0)
            q, k, v = (
                torch.randn(batch, channels, height, width, generator=generator, device=device).to(
                    memory_format=layout
                )
                for channels in (64, 64, 512)
            )
            yield Case(
                sizes={'B': batch, 'H': height, 'W': width, 'channels_last': int(layout is torch.channels_last)},
                inputs=(0.3 * q, 0.3 * k, v),
                forms={'scaseg': _criss_cross, 'mmcv': _mmcv_criss_cross},
                reference=_criss_cross,
            )


def _criss_cross(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """Criss-cross attention, added to the values as in mmcv's module."""
    return v + criss_cross(q, k, v)


def _mmcv_criss_cross(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
    """mmcv's module without its convolutions: they give what was computed before."""
    maps = dict(query_conv=lambda x: q, key_conv=lambda x: k, value_conv=lambda x: v)
    return _mmcv_forward()(SimpleNamespace(**maps, gamma=lambda out: out), v)


@cache
def _mmcv_forward() -> Callable[..., Tensor]:
    """From its file: importing the package mmcv.ops asks for compiled code, which this file does not need."""
    path = Path(mmcv.__file__).parent / 'ops/cc_attention.py'
    spec = importlib.util.spec_from_file_location('mmcv_cc_attention', path)
    if spec is None or spec.loader is None:
        raise UserError(f'{path} cannot be loaded')
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module.CrissCrossAttention.forward


OP_BENCHMARKS = {
    'criss_cross': OpBenchmark(('tests/ops/test_criss_cross.py',), criss_cross_cases),
    'strip_attention': OpBenchmark(
        ('tests/ops/test_strip_attention.py', 'tests/ops/test_strip_attention_kernels.py'), strip_attention_cases
    ),
}
