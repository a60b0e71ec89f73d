"""The attention weights of every kind of layer here, recomputed from the inputs that a forward gave it.

The layers compute their outputs without forming the weights. A recorder keeps the inputs of each attention layer
during a forward; the weights of the queries that are asked for are then made from queries and keys as the layer's
definition says, so they are exact: strip attention from one scalar per head and token, criss-cross attention along
column and row, squeezed axial attention along each axis, and attention-to-mask from the queries of the classes.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from .layers import AttentionToMask, CrissCrossAttention, SEAAttention, StripCrossAttention, VanillaCrossAttention
from .layers.seaformer import SqueezedAttention

KINDS: dict[type[nn.Module], str] = {
    StripCrossAttention: 'strip',
    VanillaCrossAttention: 'vanilla',
    CrissCrossAttention: 'criss-cross',
    SEAAttention: 'squeezed axial',
    AttentionToMask: 'attention-to-mask',
}
ROWS_AT_ONCE = 1024  # queries whose weights are formed together


@dataclass(frozen=True)
class AttentionCall:
    """One call of an attention layer.

    Attributes:
        name: of the layer in the model.
        layer: the layer.
        inputs: what it was given.
    """

    name: str
    layer: Any  # one of KINDS
    inputs: tuple[Tensor, ...]

    @property
    def kind(self) -> str:
        """One of the values of ``KINDS``."""
        return KINDS[type(self.layer)]


@contextmanager
def recorded_attention(model: nn.Module) -> Iterator[list[AttentionCall]]:
    """Keep the inputs of every attention layer while forwards run, in the order of the calls."""
    calls: list[AttentionCall] = []
    handles = []
    for name, layer in model.named_modules():
        if type(layer) in KINDS:

            def keep(layer: nn.Module, inputs: tuple[Tensor, ...], name: str = name) -> None:
                calls.append(AttentionCall(name, layer, tuple(x.detach() for x in inputs)))

            handles.append(layer.register_forward_pre_hook(keep))
    try:
        yield calls
    finally:
        for handle in handles:
            handle.remove()


@torch.no_grad()
def strip_scalars(call: AttentionCall) -> tuple[Tensor, Tensor]:
    """Scaled queries t = scale · q and keys k of strip attention: (B, h, N) and (B, h, M), float32."""
    layer, (x, context) = call.layer, call.inputs
    return layer.scale * layer.query(x).flatten(2).float(), layer.key(context).flatten(2).float()


@torch.no_grad()
def strip_curve(call: AttentionCall, t: Tensor) -> Tensor:
    """The curve f(t) = Σ_j softmax_j(t · k_j) v_j on which all outputs of a head of strip attention lie.

    Args:
        call: of a strip attention; its first image counts.
        t: points (h, T), scaled queries.

    Returns:
        (h, T, C / h).
    """
    layer, (_, context) = call.layer, call.inputs
    keys = layer.key(context).flatten(2)[0].float()
    values = layer.value(context).flatten(2)[0].float().unflatten(0, (layer.num_heads, -1))  # (h, d, M)
    return (t[..., None] * keys[:, None]).softmax(dim=-1) @ values.transpose(1, 2)


@torch.no_grad()
def attention_of(call: AttentionCall, queries: Tensor, grid: tuple[int, int] | None = None) -> Tensor:
    """Where the queries look, averaged over them: weights over the positions of the keys.

    Args:
        call: its first image counts.
        queries: (H, W), at least 0 with a sum of 1: the share of each query of the layer's map; of ``query_size``. For
            attention-to-mask (1, Q): the share of each class.
        grid: (h, w) of the tokens of attention-to-mask.

    Returns:
        (heads, h, w), each head with a sum of 1.
    """
    if call.kind in ('strip', 'vanilla'):
        return _cross_attention(call, queries)
    if call.kind == 'criss-cross':
        return _criss_cross(call, queries)
    if call.kind == 'squeezed axial':
        return _squeezed_axial(call, queries)
    assert grid is not None
    return _attention_to_mask(call, queries, grid)


def query_size(call: AttentionCall) -> tuple[int, int]:
    """(H, W) of the map of queries; (1, Q) for attention-to-mask, whose queries are the classes."""
    shape = call.inputs[0].shape
    return (1, shape[1]) if call.kind == 'attention-to-mask' else (shape[-2], shape[-1])


def _cross_attention(call: AttentionCall, queries: Tensor) -> Tensor:
    layer, (x, context) = call.layer, call.inputs
    heads = layer.num_heads
    q = layer.query(x)[0].float().flatten(1).unflatten(0, (heads, -1)).transpose(1, 2)  # (h, N, d)
    k = layer.key(context)[0].float().flatten(1).unflatten(0, (heads, -1)).transpose(1, 2)
    return _mean_rows(layer.scale * q, k, queries.flatten()).unflatten(1, context.shape[-2:])


def _criss_cross(call: AttentionCall, queries: Tensor) -> Tensor:
    layer, x = call.layer, call.inputs[0]
    q, k = layer.query_conv(x)[0].float(), layer.key_conv(x)[0].float()
    height, width = x.shape[-2:]
    total = q.new_zeros(height, width)
    itself = torch.zeros(height, height).fill_diagonal_(float('-inf')).to(q)  # a pixel counts in its row alone
    for column in torch.nonzero(queries.sum(0)).flatten().tolist():
        rows = torch.nonzero(queries[:, column]).flatten()
        up_down = q[:, rows, column].T @ k[:, :, column] + itself[rows]  # (n, H)
        left_right = torch.einsum('dn,dnw->nw', q[:, rows, column], k[:, rows])  # (n, W)
        weights = torch.cat([up_down, left_right], dim=1).softmax(dim=1) * queries[rows, column, None]
        total[:, column] += weights[:, :height].sum(0)
        total[rows] += weights[:, height:]
    return total[None]


def _squeezed_axial(call: AttentionCall, queries: Tensor) -> Tensor:
    """Half of the weight lies on the rows that a query's row looks at, half on the columns of its column."""
    layer, x = call.layer, call.inputs[0]
    q, k = layer.query(x), layer.key(x)
    height, width = x.shape[-2:]
    rows = _axis(layer.rows, q.mean(-1), k.mean(-1), queries.sum(1))  # (h, H)
    columns = _axis(layer.columns, q.mean(-2), k.mean(-2), queries.sum(0))  # (h, W)
    return (rows[:, :, None] / width + columns[:, None] / height) / 2


def _axis(attention: SqueezedAttention, q: Tensor, k: Tensor, queries: Tensor) -> Tensor:
    q = attention._heads(q + attention._resample(attention.query_pos_embed, q.shape[-1]))[0].float()
    k = attention._heads(k + attention._resample(attention.key_pos_embed, k.shape[-1]))[0].float()
    return _mean_rows(q * q.shape[-1] ** -0.5, k, queries)


def _attention_to_mask(call: AttentionCall, queries: Tensor, grid: tuple[int, int]) -> Tensor:
    layer, (classes, tokens) = call.layer, call.inputs
    q, k = layer._heads(layer.q(classes))[0].float(), layer._heads(layer.k(tokens))[0].float()
    return _mean_rows(q * q.shape[-1] ** -0.5, k, queries.flatten()).unflatten(1, grid)


def _mean_rows(q: Tensor, k: Tensor, share: Tensor) -> Tensor:
    """Mean of the rows of softmax(q kᵀ) (h, N, M), weighed by ``share`` (N,), for the queries that have one."""
    chosen = torch.nonzero(share).flatten()
    total = k.new_zeros(k.shape[:2])
    for part in chosen.split(ROWS_AT_ONCE):
        weights = (q[:, part] @ k.transpose(1, 2)).softmax(dim=-1)
        total += torch.einsum('n,hnm->hm', share[part], weights)
    return total
