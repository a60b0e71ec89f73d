"""The curve that strip attention reads its output from, sampled on a grid; derivation in ``docs/strip_attention.md``.

With one query and key channel per head the output depends on the query through one real number t = scale·q alone:

    f(t) = Σ_j exp(t·k_j) v_j / Σ_j exp(t·k_j),    f'(t) = Cov_t(k, v)

Both half-axes are sampled as functions of τ = |t|, each with the keys' distances from the one that wins there,
δ_j = max k − k_j for t ≥ 0 and k_j − min k for t < 0, so that every weight is exp(−τ δ_j) ≤ 1 and its relative error
stays at rounding level for logits of any size. Points lie at τ = knee·(2^(g / density) − 1): evenly up to the knee,
below which no key can dominate, and evenly in log τ beyond it, where the curve changes ever more slowly. That makes
the number of points depend on the logarithm of the queries' range.

Shapes: P problems (batch × heads), 2 half-axes, C cells with C + 1 points, M keys, N queries, d channels of the
values. Keys come in float64, and all but the values follow: a few hundred points cost little, and the gradient of k
subtracts large numbers.
"""

import math
from collections.abc import Iterator
from typing import NamedTuple

import torch
from torch import Tensor

SATURATION = 40.0  # exp(-40) is below the rounding of float64
BLOCK_ELEMENTS = 2**19  # of the weights that exist at a time: 4 MiB, which stay in a processor's cache


class Grid(NamedTuple):
    """Where the curve is sampled.

    Attributes:
        cells: C, on each half-axis.
        knee: (P, 1), the τ up to which points lie evenly.
        density: (P, 1), cells per octave of 1 + τ / knee.
        reach: (P, 1), the last point; beyond it no query lies, or the curve is constant.
    """

    cells: int
    knee: Tensor
    density: Tensor
    reach: Tensor

    def of(self, problems: slice) -> 'Grid':
        """The grid of some problems."""
        return Grid(self.cells, self.knee[problems], self.density[problems], self.reach[problems])

    def points(self) -> Tensor:
        """(P, C + 1), τ of the points, ascending from 0."""
        steps = torch.arange(self.cells + 1, dtype=self.knee.dtype, device=self.knee.device)
        return self.knee * torch.expm1(steps * math.log(2) / self.density)


class Curve(NamedTuple):
    """The curve at the points of a grid.

    Attributes:
        winner: (P, 2, 1, d), value of the key that wins on the half-axis, which ``value`` is centred on.
        value: (P, 2, C + 1, d), f − winner.
        slope: (P, 2, C + 1, d), df / dτ.
        mass: (P, 2, C + 1, 1), Σ_j exp(−τ δ_j).
        mean_distance: (P, 2, C + 1, 1), Σ_j p_j δ_j.
    """

    winner: Tensor
    value: Tensor
    slope: Tensor
    mass: Tensor
    mean_distance: Tensor


def extent(t: Tensor, k: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Knee, reach and octaves of 1 + τ / knee up to the reach, (P, 1) each, from the spread of queries and keys.

    The reach is the farthest query, or where one key has won for good: from there on the curve is constant. Where keys
    are tied it is constant too, but its gradient by the tied keys keeps growing, so points go on. Infinite and NaN
    queries are left out. The reach stays within a factor 1000 of the knee from below: vanishing queries leave a curve
    whose gradients still have all their digits.
    """
    limits, log_keys = torch.finfo(t.dtype), math.log(k.shape[-1])
    largest = t.abs().nan_to_num(nan=0.0, posinf=0.0).amax(-1, keepdim=True).to(k.dtype)
    distance = key_distances(k)
    spread = distance.amax(dim=(1, 2)).unsqueeze(-1)
    knee = (1 + log_keys) / spread
    knee = torch.where((largest > 0) & (spread == 0), 1e3 * largest, knee).clamp(limits.tiny, limits.max)
    gap = torch.where(distance > 0, distance, torch.inf).amin(dim=(1, 2)).unsqueeze(-1)
    tied = ((distance == 0).sum(-1) > 1).any(-1, keepdim=True)
    constant_from = torch.where(tied, torch.inf, (SATURATION + log_keys) / gap)
    farthest = torch.finfo(k.dtype).max ** 0.5 * knee  # in float64 no query of t's dtype lies beyond it
    reach = torch.minimum(torch.minimum(largest, constant_from), farthest)
    reach = torch.maximum(reach, 1e-3 * knee)
    return knee, reach, torch.log1p(reach / knee) / math.log(2)


def key_distances(k: Tensor) -> Tensor:
    """(P, M) -> (P, 2, M), from the largest key and from the smallest one."""
    return torch.stack([k.amax(-1, keepdim=True) - k, k - k.amin(-1, keepdim=True)], dim=1)


def sample_curve(grid: Grid, k: Tensor, v: Tensor) -> Curve:
    """Value and slope of the curve at the points of a grid, from keys (P, M), float64, and values (P, M, d)."""
    wins = torch.stack([k.argmax(-1), k.argmin(-1)], dim=1).unsqueeze(-1)
    winner = v.to(k.dtype).gather(1, wins.expand(-1, -1, v.shape[-1])).unsqueeze(2)
    channels = v.shape[-1]  # moments of 1 and δ, with each channel of the values and with 1
    moments = k.new_zeros(k.shape[0], 2, grid.cells + 1, 2 * (channels + 1))
    for weights, distance, values in _weight_blocks(grid, k, v):
        features = moments.new_ones(*distance.shape[:-1], moments.shape[-1])
        features[..., :channels] = values.unsqueeze(1) - winner
        features[..., channels + 1 :] = distance * features[..., : channels + 1]
        moments += weights @ features
    with_values, mass, with_distance_and_values, with_distance = moments.split([channels, 1] * 2, dim=-1)
    value, mean_distance = with_values / mass, with_distance / mass
    slope = mean_distance * value - with_distance_and_values / mass
    return Curve(winner, value, slope, mass, mean_distance)


def sample_curve_backward(
    grid: Grid, curve: Curve, k: Tensor, v: Tensor, grad_value: Tensor, grad_slope: Tensor
) -> tuple[Tensor, Tensor]:
    """Gradients of k, and of v in its dtype, from those of value and slope, (P, 2, C + 1, d) each.

    With the weights p_gj of key j at point g, and a_j = A·v_j, b_j = B·v_j for the gradients A of the value and B of
    the slope:

        dv_j = Σ_g p_gj (A + (δ̄ − δ_j) B)
        dδ_j = Σ_g p_gj (−τ (a_j − ā) + τ ((δ_j − δ̄)(b_j − b̄) − Cov(δ, b)) − (b_j − b̄))

    Multiplied out, every sum over g is one column of the product of p with a matrix of the gradients, so that the
    points × keys weights are touched by an exponential and a matrix product only.
    """
    tau = grid.points()[:, None, :, None]
    mean_a, mean_b = ((x * curve.value).sum(-1, keepdim=True) for x in (grad_value, grad_slope))
    covariance = -(grad_slope * curve.slope).sum(-1, keepdim=True)
    shifted = grad_value + curve.mean_distance * grad_slope
    columns = [
        shifted,
        grad_slope,
        -tau * shifted - grad_slope,
        tau * grad_slope,
        tau * (mean_a + curve.mean_distance * mean_b - covariance) + mean_b,
        -tau * mean_b,
    ]
    gradients = torch.cat(columns, dim=-1) / curve.mass
    grad_k, grad_v = [], []
    for weights, distance, values in _weight_blocks(grid, k, v):
        sums = (weights.transpose(-1, -2) @ gradients).split([v.shape[-1]] * 4 + [1, 1], dim=-1)  # (P, 2, m, ·) each
        grad_v.append((sums[0] - distance * sums[1]).sum(1).to(v.dtype))
        centred = values.unsqueeze(1) - curve.winner
        products = [(centred * x).sum(-1, keepdim=True) for x in sums[2:4]]
        grad_distance = products[0] + sums[4] + distance * (products[1] + sums[5])
        grad_k.append((grad_distance[:, 1] - grad_distance[:, 0]).squeeze(-1))  # shifting all keys changes nothing
    return torch.cat(grad_k, dim=-1), torch.cat(grad_v, dim=-2)


def _weight_blocks(grid: Grid, k: Tensor, v: Tensor) -> Iterator[tuple[Tensor, Tensor, Tensor]]:
    """exp(−τ δ) (P, 2, C + 1, m), δ (P, 2, m, 1) and values (P, m, d), for blocks of m keys at a time."""
    minus_tau, distance = -grid.points()[:, None, :, None], key_distances(k)
    size = max(16, BLOCK_ELEMENTS // (minus_tau.numel() * 2))
    for block, values in zip(distance.split(size, dim=-1), v.split(size, dim=-2), strict=True):
        weights = torch.mul(minus_tau, block.unsqueeze(-2)).exp_()
        yield weights, block.unsqueeze(-1), values.to(minus_tau.dtype)
