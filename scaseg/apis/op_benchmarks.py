"""What ``tools/analysis/bench_ops.py`` measures: for every operator its tests, its sizes and the forms it has."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import torch
import torch.nn.functional as F
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel

from scaseg.ops import naive_strip_attention, strip_attention

MOST_WEIGHTS = 2**28  # N·M·heads up to which a form in O(N·M) is measured with all its queries


@dataclass(frozen=True)
class Case:
    """One size of an operator.

    Attributes:
        sizes: what tells it from the others.
        inputs: tensors, which gradients are taken of.
        forms: functions of the inputs, by name; the first one is what the others are compared with.
        reference: the inputs in float64 -> what the output should be, at the positions of ``sample``.
        sample: output -> part of it.
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
    """(N, M) from the deepest level of a 512² image to the shallowest of 1024×2048 without pooling; h = 8, d = 16."""
    heads, channels = 8, 16
    for queries, keys in (
        (1024, 256),
        (4096, 256),
        (16384, 256),
        (32768, 512),
        (131072, 2048),
        (131072, 131072),
    ):
        generator = torch.Generator(device).manual_seed(0)
        shapes = (1, heads, queries), (1, heads, keys), (1, heads, keys, channels)
        q, k, v = (torch.randn(shape, generator=generator, device=device) for shape in shapes)
        out = torch.randn(1, heads, queries, channels, device=device)
        forms: dict[str, Callable[..., Tensor]] = {
            'interpolated': lambda q, k, v: strip_attention(q, k, v, method='interpolated'),
            'exact': lambda q, k, v: strip_attention(q, k, v, method='exact'),
            'naive': naive_strip_attention,
            'sdpa': _sdpa,
            'sdpa, padded': _padded_sdpa,
            'copy of the output': lambda q, k, v, out=out: torch.empty_like(out).copy_(out),
        }
        if device.type == 'cuda':
            forms |= {'sdpa, flash': _flash_sdpa, 'sdpa, efficient': _efficient_sdpa}
        share = max(1, heads * queries * keys // MOST_WEIGHTS)
        some = slice(None, None, max(1, queries // 256))
        yield Case(
            sizes={'N': queries, 'M': keys, 'h': heads, 'd': channels},
            inputs=(q, k, v),
            forms=forms,
            reference=lambda q, k, v, some=some: naive_strip_attention(q[..., some], k, v),
            sample=lambda out, some=some: out[..., some, :],
            few=(q[..., ::share].contiguous(), k, v),
            share=share,
            slow=frozenset({'exact', 'naive', *(name for name in forms if name.startswith('sdpa'))}),
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


OP_BENCHMARKS = {
    'strip_attention': OpBenchmark(
        ('tests/ops/test_strip_attention.py', 'tests/ops/test_strip_attention_kernels.py'), strip_attention_cases
    ),
}
