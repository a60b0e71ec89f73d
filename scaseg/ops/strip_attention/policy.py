"""Which form of strip attention runs, decided once, with every constant and where it comes from.

A GPU takes forms that are made of torch's own operators. The Triton kernels have passed their tests in Triton's
interpreter and compile for GPUs, but none has run on one: they are there by ``method='triton'`` alone.
"""

import importlib.util
import math
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor

Form = Literal['exact', 'interpolated', 'triton']

HAS_TRITON = importlib.util.find_spec('triton') is not None

# Of reading one query off, in weights of the exact form: docs/strip_attention.md, measured on a CPU by bench_ops.py.
READ_OFF_COST = 16
# Queries whose output takes as much memory as one cell's moments and cubics: counted from their sizes.
QUERIES_PER_CELL = 12
# Largest grid of a half-axis: 1024 octaves at 64 cells each; products of two float32 numbers span 554.
MOST_CELLS = 2**16
# Weights N·M of a head up to which a GPU takes fused attention: those of a 1024×2048 image with keys at stride 32. Not
# measured, as no GPU was at hand: 8 heads of 16 channels are 137 GFLOPs there, and grow with the square of the pixels.
DENSE_WEIGHTS = 2**28


class Settings(NamedTuple):
    """What a form has to keep.

    Attributes:
        rtol: bound on the relative Frobenius error of the output.
        most_cells: of each half-axis of a grid; where more would be needed, the exact form runs.
    """

    rtol: float
    most_cells: int


def takes_fused_attention(q: Tensor, k: Tensor, method: str) -> bool:
    """Whether torch's fused attention computes queries (…, N) and keys (…, M): see the module's docstring.

    ``'auto'`` takes it on a GPU in float32, but not where results shall be deterministic: its backward pass adds in no
    fixed order.
    """
    if method != 'auto':
        return method == 'padded_sdpa'
    is_fast = q.is_cuda and q.dtype == torch.float32 and not torch.are_deterministic_algorithms_enabled()
    return is_fast and q.shape[-1] * k.shape[-1] <= DENSE_WEIGHTS


def choose(t: Tensor, k: Tensor, method: str, rtol: float) -> tuple[Form, Settings]:
    """The form of the operator for queries (P, N) and keys (P, M), and what it has to keep.

    It is asked in both passes and answers by sizes alone, so both take one form.
    """
    if method != 'auto':
        return cast(Form, method), Settings(rtol, MOST_CELLS)
    return 'interpolated', Settings(rtol, worthwhile_cells(t.shape[-1], k.shape[-1]))


def worthwhile_cells(queries: int, keys: int) -> int:
    """Cells of a half-axis whose weights and memory do not outweigh what the exact form takes."""
    return min(math.floor(queries * (keys - READ_OFF_COST) / keys / 2) - 1, queries // QUERIES_PER_CELL)
