"""The curve that strip attention reads its output from, sampled on a grid; derivation in ``docs/strip_attention.md``.

With one query and key channel per head the output depends on the query through one real number t = scale·q alone:

    f(t) = Σ_j exp(t·k_j) v_j / Σ_j exp(t·k_j),    f'(t) = Cov_t(k, v)

Both half-axes are sampled as functions of τ = |t|, each with the keys' distances from the one that wins there,
δ_j = max k − k_j for t ≥ 0 and k_j − min k for t < 0, so that every weight is exp(−τ δ_j) ≤ 1 and its relative error
stays at rounding level for logits of any size. Points lie at τ = knee·(exp(g·step) − 1): evenly up to the knee,
below which no key can dominate, and evenly in log τ beyond it, where the curve changes ever more slowly. That makes
the number of points depend on the logarithm of the queries' range.

Shapes: P problems (batch × heads), 2 half-axes, C cells with C + 1 points, M keys, N queries, d channels of the
values. All but these are in float64: a few hundred points cost little, and the gradient of k subtracts large numbers.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor

SATURATION = 40.0  # exp(-40) is below the rounding of float64
BLOCK_ELEMENTS = 2**19  # of the weights that exist at a time: 4 MiB, which stay in a processor's cache


class Keys(NamedTuple):
    """What the curve depends on of the keys.

    Attributes:
        distance: (P, 2, M), from the largest key and from the smallest one.
        wins: (P, 2), indices of these two.
        spread: (P, 1), between them.
        gap: (P, 1), between a winner and the next key, the smaller of both sides; 0 where keys are tied.
    """

    distance: Tensor
    wins: Tensor
    spread: Tensor
    gap: Tensor


class Grid(NamedTuple):
    """Where the curve is sampled.

    Attributes:
        cells: C, on each half-axis.
        knee: (P, 1), the τ up to which points lie evenly.
        step: (P, 1), between points, in ln(1 + τ / knee).
    """

    cells: int
    knee: Tensor
    step: Tensor

    def of(self, problems: slice) -> 'Grid':
        """The grid of some problems."""
        return Grid(self.cells, self.knee[problems], self.step[problems])


class Curve(NamedTuple):
    """The curve at the points of a grid.

    Attributes:
        tau: (P, 1, C + 1, 1), τ of the points, ascending from 0.
        winner: (P, 2, 1, d), value of the key that wins on the half-axis, which ``value`` is centred on.
        value: (P, 2, C + 1, d), f − winner.
        slope: (P, 2, C + 1, d), df / dτ.
        mass: (P, 2, C + 1, 1), Σ_j exp(−τ δ_j).
        mean_distance: (P, 2, C + 1, 1), Σ_j p_j δ_j.
    """

    tau: Tensor
    winner: Tensor
    value: Tensor
    slope: Tensor
    mass: Tensor
    mean_distance: Tensor


def rank_keys(k: Tensor) -> Keys:
    """Keys (P, M) from both ends, in float64."""
    k, first_two = k.double(), min(2, k.shape[-1])
    largest, at_largest = k.topk(first_two)
    smallest, at_smallest = k.topk(first_two, largest=False)
    maximum, minimum = largest[:, :1], smallest[:, :1]
    return Keys(
        torch.stack([maximum - k, k - minimum], dim=1),
        torch.stack([at_largest[:, 0], at_smallest[:, 0]], dim=1),
        (maximum - minimum).abs(),  # 0 and −0 are equal, and their difference may be −0, whose reciprocal is −∞
        torch.minimum((maximum - largest[:, -1:]).abs(), (smallest[:, -1:] - minimum).abs()),
    )


def extent(t: Tensor, keys: Keys) -> tuple[Tensor, Tensor]:
    """The knee, and how far points reach in ln(1 + τ / knee), (P, 1) each, from the spread of queries and keys.

    The reach is the farthest query, or where one key has won for good: from there on the curve is constant. Where keys
    are tied it is constant too, but its gradient by the tied keys keeps growing, so points go on. The reach stays
    within a factor 1000 of the knee from below: vanishing queries leave a curve whose gradients still have all their
    digits.

    Args:
        t: (P, ·), finite queries, the farthest ones among them.
        keys: of the same problems.
    """
    limits, log_keys = torch.finfo(t.dtype), math.log(keys.distance.shape[-1])
    farthest = t.abs().amax(-1, keepdim=True).clamp_(min=limits.tiny).to(keys.spread.dtype)
    # equal keys have no knee: any that leaves positions in the range of t's dtype
    knee = torch.minimum((1 + log_keys) / keys.spread, 1e20 * farthest).clamp_(limits.tiny, limits.max)
    reach = torch.minimum(farthest, (SATURATION + log_keys) / keys.gap)
    # in float64 no query of float32 lies beyond the upper bound
    return knee, (reach / knee).clamp_(1e-3, torch.finfo(knee.dtype).max ** 0.5).log1p_()


def sample_curve(grid: Grid, keys: Keys, v: Tensor) -> Curve:
    """Value and slope of the curve at the points of a grid, for values (P, M, d)."""
    steps = torch.arange(grid.cells + 1, dtype=grid.step.dtype, device=grid.step.device)
    tau = (grid.knee * torch.expm1(steps * grid.step))[:, None, :, None]
    channels = v.shape[-1]
    winner = v.gather(1, keys.wins.unsqueeze(-1).expand(-1, -1, channels)).unsqueeze(2).to(tau.dtype)
    # moments of 1 and δ, with each channel of the values and with 1
    moments = tau.new_zeros(v.shape[0], 2, grid.cells + 1, 2 * (channels + 1))
    for weights, distance, values in _weight_blocks(tau, keys, v):
        features = F.pad(values.unsqueeze(1) - winner, (0, 1), value=1.0)
        moments += weights @ torch.cat([features, distance * features], dim=-1)
    with_values, mass, with_distance_and_values, with_distance = moments.split([channels, 1] * 2, dim=-1)
    value, mean_distance = with_values / mass, with_distance / mass
    slope = mean_distance * value - with_distance_and_values / mass
    return Curve(tau, winner, value, slope, mass, mean_distance)


def sample_curve_backward(
    curve: Curve, keys: Keys, v: Tensor, grad_value: Tensor, grad_slope: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of k, and of v in its dtype, from those of value and slope, (P, 2, C + 1, d) each.

    With the weights p_gj of key j at point g, and a_j = A·v_j, b_j = B·v_j for the gradients A of the value and B of
    the slope:

        dv_j = Σ_g p_gj (A + (δ̄ − δ_j) B)
        dδ_j = Σ_g p_gj (−τ (a_j − ā) + τ ((δ_j − δ̄)(b_j − b̄) − Cov(δ, b)) − (b_j − b̄))

    Multiplied out, every sum over g is one column of the product of p with a matrix of the gradients, so that the
    points × keys weights are touched by an exponential and a matrix product only.
    """
    tau, shifted = curve.tau, grad_value + curve.mean_distance * grad_slope
    mean_b = (grad_slope * curve.value).sum(-1, keepdim=True)
    mean_shifted = (shifted * curve.value + grad_slope * curve.slope).sum(-1, keepdim=True)
    columns = [
        shifted,
        grad_slope,
        -tau * shifted - grad_slope,
        tau * grad_slope,
        tau * mean_shifted + mean_b,  # ā + δ̄ b̄ − Cov(δ, b), and Cov(δ, v) = −slope
        -tau * mean_b,
    ]
    gradients = torch.cat(columns, dim=-1) / curve.mass
    grad_k, grad_v = [], []
    for weights, distance, values in _weight_blocks(tau, keys, v):
        sums = (weights.transpose(-1, -2) @ gradients).split([v.shape[-1]] * 4 + [1, 1], dim=-1)  # (P, 2, m, ·) each
        grad_v.append((sums[0] - distance * sums[1]).sum(1).to(v.dtype))
        centred = values.unsqueeze(1) - curve.winner
        products = [(centred * x).sum(-1, keepdim=True) for x in sums[2:4]]
        grad_distance = products[0] + sums[4] + distance * (products[1] + sums[5])
        grad_k.append((grad_distance[:, 1] - grad_distance[:, 0]).squeeze(-1))  # shifting all keys changes nothing
    return torch.cat(grad_k, dim=-1), torch.cat(grad_v, dim=-2)


def _weight_blocks(tau: Tensor, keys: Keys, v: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """exp(−τ δ) (P, 2, C + 1, m), δ (P, 2, m, 1) and values (P, m, d), for blocks of m keys at a time."""
    points = 2 * tau.numel()
    # an export with a dynamic batch cannot unroll a loop of unknown length
    size = max(16, BLOCK_ELEMENTS // points) if isinstance(points, int) else keys.distance.shape[-1]
    for distance, values in zip(keys.distance.split(size, dim=-1), v.split(size, dim=-2), strict=True):
        weights = torch.mul(-tau, distance.unsqueeze(-2)).exp_()
        yield weights, distance.unsqueeze(-1), values.to(tau.dtype)
