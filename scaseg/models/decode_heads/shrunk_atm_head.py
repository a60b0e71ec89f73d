"""The decoder of SegViT Shrunk (arXiv 2210.05844, section 3.2): query-based up-sampling (QU), then attention-to-mask.

    G_0 = learned grid;   G_i = decoder_i(G_{i-1}, tokens of F_i);   Q_j, M_j = layer_j(Q_{j-1}, G)

Departure from the official code: the grid is a map, and is resized bicubically where the encoder's is another one.
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from ..layers import ATMDecoder, MapToTokens, MaskPrediction
from .mask_classification_head import MaskClassificationHead


@MODELS.register_module()
class ShrunkATMHead(MaskClassificationHead):
    """Queries of a fine grid gather from the levels, shallow to deep; class queries attend to the grid they make.

    Every layer of the attention-to-mask decoder is supervised; their masks do not add up.

    Args:
        in_channels: channels of every level, shallow to deep.
        embed_dims: channels of grid, queries and tokens.
        num_heads: attention heads; divides ``embed_dims``.
        grid_size: (H, W) of the learned grid: the shallowest level's when training, its crop over its stride.
        num_layers: layers of each decoder.
        dropout: in the decoders that make the grid.
        layer: config of the layers whose scores are masks, as in ``ATMHead``.
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
        grid_size: tuple[int, int],
        num_layers: int = 3,
        dropout: float = 0.1,
        layer: dict = dict(type='ATMDecoderLayer'),
        **kwargs: Any,
    ) -> None:
        super().__init__(in_channels, embed_dims, **kwargs)
        if num_layers < 1:
            raise ValueError(f'decode_head.num_layers={num_layers}: a decoder has one layer at least')
        self.layers = ATMDecoder(num_layers, layer, embed_dims, num_heads)
        self.grid = nn.Parameter(torch.randn(1, embed_dims, *grid_size))
        self.projections = nn.ModuleList(MapToTokens(c, embed_dims) for c in in_channels)
        gather = nn.TransformerDecoderLayer(embed_dims, num_heads, 4 * embed_dims, dropout, batch_first=True)
        self.upsamplers = nn.ModuleList(nn.TransformerDecoder(gather, num_layers) for _ in in_channels)
        self.queries = nn.Embedding(self.num_classes, embed_dims)
        self.class_embed = nn.Linear(embed_dims, self.num_classes + 1)

    def predict_masks(self, inputs: Sequence[Tensor]) -> list[MaskPrediction]:
        levels = self._transform_inputs(inputs)
        batch, size = levels[0].shape[0], levels[0].shape[-2:]
        grid: Tensor = self.grid
        if grid.shape[-2:] != size:
            grid = F.interpolate(grid, size=size, mode='bicubic', align_corners=False)
        tokens = grid.flatten(2).transpose(1, 2).expand(batch, -1, -1)
        for project, decoder, x in zip(self.projections, self.upsamplers, levels, strict=True):
            tokens = decoder(tokens, project(x))
        queries = self.queries.weight.expand(batch, -1, -1)
        predictions = []
        for layer in self.layers:
            queries, scores = layer(queries, tokens)
            predictions.append(MaskPrediction(self.class_embed(queries), scores.unflatten(2, size)))
        return predictions
