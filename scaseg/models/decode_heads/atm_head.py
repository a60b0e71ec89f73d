"""The decoder of SegViT: Semantic Segmentation with Plain Vision Transformers (arXiv 2210.05844, NeurIPS 2022).

    for level i = deep … shallow:   Q_i, S_i = decoder_i(Q_{i-1}, tokens of F_i);   M_i = M_{i-1} + Up(S_i)
    classes_i = Linear(Q_i),        P = Σ_q softmax(classes_q) · sigmoid(M_q)

Departure from the official code: heights and widths are those of the maps, where it takes the root of the number of
tokens and the crop of the config; so any image will do, and any encoder.
"""

from collections.abc import Sequence
from typing import Any

import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..layers import ATMDecoder, MapToTokens, MaskPrediction
from .mask_classification_head import MaskClassificationHead


@MODELS.register_module()
class ATMHead(MaskClassificationHead):
    """A cascade of attention-to-mask decoders over the levels of an encoder, the deepest first.

    The queries that a decoder gives are the next one's; masks add up on the grid of the shallowest level.

    Args:
        in_channels: channels of every level, shallow to deep.
        embed_dims: channels of queries and tokens; half of those of a plain ViT in the official configs.
        num_heads: attention heads; divides ``embed_dims``.
        num_layers: layers of each decoder.
        layer: config of the layers, ``forward(queries, tokens)``. Each is given ``channels`` and ``num_heads``; see
            ``ATMDecoderLayer``.
        kwargs: of ``MaskClassificationHead``, which also tells the shapes.

    Raises:
        ValueError: arguments that do not fit each other.
        UserError: in a forward, maps of other channels.
    """

    def __init__(
        self,
        in_channels: Sequence[int],
        embed_dims: int,
        num_heads: int,
        num_layers: int = 3,
        layer: dict = dict(type='ATMDecoderLayer'),
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, embed_dims, **kwargs)
        if num_layers < 1:
            raise ValueError(f'decode_head.num_layers={num_layers}: a decoder has one layer at least')
        self.queries = nn.Embedding(self.num_classes, embed_dims)
        self.projections = nn.ModuleList(MapToTokens(c, embed_dims) for c in reversed(in_channels))
        self.decoders = nn.ModuleList(ATMDecoder(num_layers, layer, embed_dims, num_heads) for _ in in_channels)
        self.class_embed = nn.Linear(embed_dims, self.num_classes + 1)

    def predict_masks(self, inputs: Sequence[Tensor]) -> list[MaskPrediction]:
        levels = self._transform_inputs(inputs)
        size = levels[0].shape[-2:]
        queries = self.queries.weight.expand(levels[0].shape[0], -1, -1)
        masks: Tensor | float = 0.0
        predictions = []
        for project, decoder, x in zip(self.projections, self.decoders, reversed(levels), strict=True):
            queries, scores = decoder(queries, project(x))
            scores = scores.unflatten(2, x.shape[-2:])
            masks = masks + F.interpolate(scores, size=size, mode='bilinear', align_corners=False)
            predictions.append(MaskPrediction(self.class_embed(queries), masks))
        return predictions
