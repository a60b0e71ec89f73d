"""SegViT and SegViT Shrunk as their authors publish them, trained with mmseg 0.24.

Decoder 1 of the official names works on the deepest level of SegViT and on the shallowest of Shrunk, as the first one
does here. Dropped are the class token, which the official encoder holds without using it, and a constant of the loss.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from ..layouts import tokens_to_map

UNUSED = ('backbone.cls_token', 'loss_decode.criterion.empty_weight')
COMMON = {r'\.input_proj\.(\d)\.': r'.projections.\1.0.', r'\.proj_norm\.(\d)\.': r'.projections.\1.1.'}
PLAIN = COMMON | {r'\.decoder\.(\d)\.layers\.': r'.decoders.\1.', r'head\.q\.': 'head.queries.'}
SHRUNK = COMMON | {
    r'\.atm\.decoder\.0\.': '.',
    r'\.atm\.q\.': '.queries.',
    r'\.atm\.class_embed\.': '.class_embed.',
    r'\.decoder\.(\d)\.': r'.upsamplers.\1.',
    r'head\.q\.weight': 'head.grid',
}


def convert_segvit(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official SegViT to ``ATMHead`` on ``PlainVisionTransformer``, Shrunk to ``ShrunkATMHead`` on the shrunk ViT.

    Position embeddings and the learned grid, official as lists of tokens, become maps.

    Raises:
        UserError: they are not those of square crops.
    """
    rules = SHRUNK if 'decode_head.atm.q.weight' in state else PLAIN
    converted = {}
    for name, tensor in state.items():
        if name.endswith(UNUSED):
            continue
        name = re.sub(r'(input_proj|proj_norm|decoder)_(\d)\.', lambda part: f'{part[1]}.{int(part[2]) - 1}.', name)
        for pattern, replacement in rules.items():
            name = re.sub(pattern, replacement, name)
        if name == 'backbone.pos_embed':
            tensor = tokens_to_map(tensor[:, 1:])  # without that of the class token
        elif name == 'decode_head.grid':
            tensor = tokens_to_map(tensor[None])
        converted[name] = tensor
    return converted
