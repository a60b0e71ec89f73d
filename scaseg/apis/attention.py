"""Where a trained network looks: attention maps of a pixel or a class, statistics, effective receptive field."""

from collections.abc import Sequence
from itertools import groupby
from typing import Any

import numpy as np
import torch
import torch.nn.functional as F
from mmengine.dataset import pseudo_collate
from torch import Tensor

from scaseg.errors import UserError
from scaseg.models.attention_weights import (
    AttentionCall,
    attention_of,
    query_size,
    recorded_attention,
    strip_curve,
    strip_scalars,
)
from scaseg.models.strip_statistics import strip_statistics
from scaseg.visualization import AttentionView, LayerView, Result, StripView

from .image_sources import pictures_of
from .predict import Predictor

CURVE_POINTS = 200


def inspect_attention(
    predictor: Predictor, source: Any, at: tuple[int, int] | None = None, class_name: str | None = None
) -> AttentionView:
    """Predict one picture and find out where its queries look.

    Args:
        predictor: without test-time augmentation.
        source: one picture, as ``Predictor.predict`` takes it.
        at: (x, y) of a pixel of the picture, from its left upper corner.
        class_name: a class that occurs in the prediction, in place of ``at``: the mean over its pixels.

    Raises:
        UserError: the pixel lies outside of the picture, the class does not occur, or the network has no attention
            layer that can be shown.
    """
    if (at is None) == (class_name is None):
        raise UserError('give a pixel (--at X Y) or a class (--class NAME), one of the two')
    if predictor.network is not predictor.segmentor:
        raise UserError('attention is shown without test-time augmentation: leave tta out')
    with recorded_attention(predictor.segmentor) as calls:
        result = predictor.predict(source, batch_size=1)
    if isinstance(result, list):
        raise UserError('attention is shown for one picture: give a file')
    if not calls:
        raise UserError(
            f'{type(predictor.segmentor.decode_head).__name__}: this network has no attention layer that can be shown '
            '(strip, criss-cross, squeezed axial, attention-to-mask)'
        )
    mask = _mask(result, at, class_name)
    label = int(result.labels[mask][0])
    layers = [
        view
        for _, passes in groupby(calls, key=lambda call: call.name)
        for view in _views(list(passes), mask, label, predictor.device)
    ]
    return AttentionView(result, at, result.classes[label], layers)


def receptive_field(predictor: Predictor, source: Any, at: tuple[int, int]) -> tuple[Result, np.ndarray]:
    """Effective receptive field of a pixel (Luo et al., arXiv 1701.04128): what its score depends on.

    Args:
        predictor: any network, without test-time augmentation.
        source: one picture.
        at: (x, y) of the pixel.

    Returns:
        The prediction, and |d score / d input| (H, W) of the score of the pixel's class, at the size of the network's
        input, summed over its channels, with a sum of 1.

    Raises:
        UserError: the pixel lies outside of the picture.
    """
    result = predictor.predict(source, batch_size=1)
    mask = _mask(result, at, None)
    _, sample = predictor._read(pictures_of(source)[0])
    batch = predictor.segmentor.data_preprocessor(pseudo_collate([sample]), False)
    inputs = batch['inputs'].detach().requires_grad_()
    scores = predictor.segmentor(inputs, mode='tensor')
    share = _share(mask, scores.shape[-2:], scores.device)
    (scores[0, int(result.labels[mask][0])] * share).sum().backward()
    assert inputs.grad is not None
    field = inputs.grad[0].abs().sum(0)
    return result, (field / field.sum().clamp(min=1e-30)).cpu().numpy()


def _mask(result: Result, at: tuple[int, int] | None, class_name: str | None) -> np.ndarray:
    """The pixels that were asked for, (H, W) bool."""
    height, width = result.labels.shape
    if at is not None:
        x, y = at
        if not (0 <= x < width and 0 <= y < height):
            raise UserError(f'--at {x} {y}: the picture has columns 0..{width - 1} and rows 0..{height - 1}')
        mask = np.zeros(result.labels.shape, bool)
        mask[y, x] = True
        return mask
    if class_name not in result.classes:
        raise UserError(f'--class {class_name}: the model knows {", ".join(result.classes)}')
    mask = result.labels == result.classes.index(class_name)
    if not mask.any():
        raise UserError(f'--class {class_name}: no pixel has this label; there are {", ".join(result.areas)}')
    return mask


def _share(mask: np.ndarray, size: tuple[int, int], device: torch.device) -> Tensor:
    """The mask on a grid of another size, with a sum of 1; one pixel becomes the cell that it lies in."""
    if mask.sum() == 1:
        y, x = np.argwhere(mask)[0]
        share = torch.zeros(size, device=device)
        share[int((y + 0.5) / mask.shape[0] * size[0]), int((x + 0.5) / mask.shape[1] * size[1])] = 1
        return share
    share = F.adaptive_avg_pool2d(torch.from_numpy(mask).float()[None, None], size)[0, 0].to(device)
    return share / share.sum()


def _views(passes: Sequence[AttentionCall], mask: np.ndarray, label: int, device: torch.device) -> list[LayerView]:
    """One view for a layer; for one that is passed several times, through the last, the last two … of its passes."""
    views: list[LayerView] = []
    size = query_size(passes[-1])
    if passes[-1].kind == 'attention-to-mask':
        share = F.one_hot(torch.tensor([min(label, size[1] - 1)]), size[1]).float().to(device)
    else:
        share = _share(mask, size, device)
    first_share = share
    for count, call in enumerate(reversed(passes), start=1):
        weights = attention_of(call, share, _token_grid(call, mask.shape))
        through = f', through {count} of {len(passes)} passes' if len(passes) > 1 else ''
        positions = weights[0].numel()
        entropy = -torch.special.xlogy(weights, weights).sum((1, 2)) / np.log(max(positions, 2))
        strip = _strip(call, first_share) if call.kind == 'strip' else None
        views.append(
            LayerView(f'{call.name}{through}', call.kind, weights.cpu().numpy(), entropy.cpu().numpy(), strip)
        )
        if call.kind != 'criss-cross':
            return views
        share = weights.mean(0)
    return views


def _token_grid(call: AttentionCall, image: tuple[int, ...]) -> tuple[int, int] | None:
    """(h, w) of the tokens of attention-to-mask: the factors of their number that are nearest to the image's shape."""
    if call.kind != 'attention-to-mask':
        return None
    tokens = call.inputs[1].shape[1]
    heights = [height for height in range(1, tokens + 1) if tokens % height == 0]
    height = min(heights, key=lambda h: abs(np.log(h * h / tokens * image[1] / image[0])))
    return height, tokens // height


def _strip(call: AttentionCall, share: Tensor) -> StripView:
    queries, keys = (scalars[0] for scalars in strip_scalars(call))
    steps = torch.linspace(0, 1, CURVE_POINTS, device=queries.device)
    low, high = queries.amin(1, keepdim=True), queries.amax(1, keepdim=True)
    points = low + (high - low) * steps
    curve = strip_curve(call, points)
    centred = curve - curve.mean(dim=1, keepdim=True)
    component = torch.linalg.svd(centred, full_matrices=False).Vh[:, 0]  # (h, d)
    component = (centred @ component[..., None])[..., 0]
    component = component / component.std(dim=1, keepdim=True).clamp(min=1e-12)
    weights = (points[..., None] * keys[:, None]).softmax(dim=-1)
    entropy = -torch.special.xlogy(weights, weights).sum(-1) / np.log(max(keys.shape[1], 2))
    marked = (queries * share.flatten()).sum(1)
    return StripView(
        queries=queries.cpu().numpy(),
        keys=keys.cpu().numpy(),
        marked=marked.cpu().numpy(),
        points=points.cpu().numpy(),
        curve=component.cpu().numpy(),
        entropy=entropy.cpu().numpy(),
        statistics=strip_statistics(call),
    )
