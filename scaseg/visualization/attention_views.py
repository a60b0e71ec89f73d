"""Where a network looks, as data: what the pictures of attention are drawn from."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from scaseg.models.strip_statistics import StripStatistics

from .result import Result


@dataclass(frozen=True)
class StripView:
    """Strip attention of one level, whose queries and keys are one number per head.

    Attributes:
        queries: (h, N) scaled queries t of all positions.
        keys: (h, M).
        marked: (h,) t of the query that was asked for, or the mean over the queries of a class.
        points: (h, T) from the smallest to the largest t.
        curve: (h, T) first principal component of f(t) = Σ_j softmax_j(t k_j) v_j, in its standard deviations.
        entropy: (h, T) of the weights at each point: 0 is a single key, 1 is all keys alike.
        statistics: over all queries.
    """

    queries: np.ndarray
    keys: np.ndarray
    marked: np.ndarray
    points: np.ndarray
    curve: np.ndarray
    entropy: np.ndarray
    statistics: StripStatistics


@dataclass(frozen=True)
class LayerView:
    """Where the queries of one call of an attention layer look.

    Attributes:
        name: of the layer in the model; with several passes, through how many of them.
        kind: see ``scaseg.models.attention_weights.KINDS``.
        weights: (h, H, W), the weights over the positions of the keys; each head has a sum of 1.
        entropy: (h,) of these weights: 0 is a single position, 1 is all alike.
        strip: what only strip attention has.
    """

    name: str
    kind: str
    weights: np.ndarray
    entropy: np.ndarray
    strip: StripView | None


@dataclass(frozen=True)
class AttentionView:
    """All attention layers of a network, for one picture and one question.

    Attributes:
        result: the prediction.
        point: (x, y) of the pixel that was asked for, or ``None``.
        class_name: the class that was asked for, or that of the pixel.
        layers: in the order of the forward, encoder first.
    """

    result: Result
    point: tuple[int, int] | None
    class_name: str
    layers: Sequence[LayerView]
