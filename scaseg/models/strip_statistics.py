"""How strip attention is used: the spread of its queries and keys, and how sharp its weights are."""

from dataclasses import dataclass

import numpy as np
import torch

from .attention_weights import AttentionCall, strip_scalars

QUERIES = 256  # of each image that entropy and saturation are taken over, evenly spaced
SATURATED = 0.99  # of the weight lies on one key


@dataclass(frozen=True)
class StripStatistics:
    """Of one layer and batch, a number for each head.

    Attributes:
        query_spread: standard deviation of the scaled queries t = scale · q.
        key_spread: standard deviation of the keys.
        entropy: mean over the queries of the entropy of their weights: 0 is a single key, 1 is all keys alike.
        saturated: share of the queries with more than 0.99 of their weight on one key, 0..1.
    """

    query_spread: list[float]
    key_spread: list[float]
    entropy: list[float]
    saturated: list[float]


@torch.no_grad()
def strip_statistics(call: AttentionCall) -> StripStatistics:
    """Statistics of a call of strip attention; entropy and saturation from 256 queries of each image."""
    queries, keys = strip_scalars(call)  # (B, h, N), (B, h, M)
    step = max(1, queries.shape[2] // QUERIES)
    weights = (queries[:, :, ::step, None] * keys[:, :, None]).softmax(dim=-1)
    entropy = -torch.special.xlogy(weights, weights).sum(-1) / np.log(max(keys.shape[2], 2))
    return StripStatistics(
        query_spread=queries.std(dim=(0, 2)).tolist(),
        key_spread=keys.std(dim=(0, 2)).tolist(),
        entropy=entropy.mean(dim=(0, 2)).tolist(),
        saturated=(weights.amax(-1) > SATURATED).float().mean(dim=(0, 2)).tolist(),
    )
