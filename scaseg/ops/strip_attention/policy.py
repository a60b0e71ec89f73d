"""Which form of strip attention runs, decided once, with every constant and where it comes from.

A GPU takes forms that are made of torch's own operators. The Triton kernels have passed their tests in Triton's
interpreter and compile for GPUs, but none has run on one: they are there by ``method='triton'`` alone.
"""

import importlib.util
import math
from typing import Literal, NamedTuple, cast

import torch
from torch import Tensor

Form = Literal['exact', 'interpolated', 'padded_sdpa', 'triton']

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


def choose(t: Tensor, k: Tensor, method: str, rtol: float) -> tuple[Form, Settings]:
    """The form for queries (…, N) and keys (…, M), and what it has to keep; ``method`` is a form, or ``'auto'``."""
    queries, keys = t.shape[-1], k.shape[-1]
    if method != 'auto':
        return cast(Form, method), Settings(rtol, MOST_CELLS)
    if _takes_fused_attention(t) and queries * keys <= DENSE_WEIGHTS:
        return 'padded_sdpa', Settings(rtol, MOST_CELLS)
    return 'interpolated', Settings(rtol, worthwhile_cells(queries, keys))


def worthwhile_cells(queries: int, keys: int) -> int:
    """Cells of a half-axis whose weights and memory do not outweigh what the exact form takes."""
    return min(math.floor(queries * (keys - READ_OFF_COST) / keys / 2) - 1, queries // QUERIES_PER_CELL)


def _takes_fused_attention(t: Tensor) -> bool:
    """Whether there is a fused kernel: on a GPU, in float32; its backward pass adds in no fixed order."""
    return t.is_cuda and t.dtype == torch.float32 and not torch.are_deterministic_algorithms_enabled()
