"""SegFormer (MiT encoder, MLP head) as its authors publish it.

Dropped is ``conv_seg``, a classifier that the official head inherits without using it; its own is ``linear_pred``.
"""

import re
from collections.abc import Mapping

from torch import Tensor

from ..layouts import mit_to_mmseg

PREDICTION = 'decode_head.linear_pred.'
MODULES = {PREDICTION: 'decode_head.conv_seg.', 'decode_head.linear_fuse.bn.': 'decode_head.fusion_norm.'}


def convert_segformer(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official SegFormer to ``SegFormerMLPHead`` on mmseg's ``MixVisionTransformer``.

    The linear layers of the levels become 1×1 convolutions; the weight of the fusion, over the levels from deep to
    shallow, is cut into one for each.
    """
    backbone = {name.removeprefix('backbone.'): t for name, t in state.items() if name.startswith('backbone.')}
    converted = {f'backbone.{name}': tensor for name, tensor in mit_to_mmseg(backbone).items()}
    has_prediction = any(name.startswith(PREDICTION) for name in state)
    for name, tensor in state.items():
        if name.startswith('backbone.') or (name.startswith('decode_head.conv_seg.') and has_prediction):
            continue
        if level := re.fullmatch(r'decode_head\.linear_c(\d)\.proj\.(weight|bias)', name):
            tensor = tensor[:, :, None, None] if level[2] == 'weight' else tensor
            converted[f'decode_head.linears.{int(level[1]) - 1}.{level[2]}'] = tensor
        elif name == 'decode_head.linear_fuse.conv.weight':
            for j, part in enumerate(reversed(tensor.chunk(4, dim=1))):
                converted[f'decode_head.fusion.projections.{j}.weight'] = part
        else:
            module = next((module for module in MODULES if name.startswith(module)), '')
            converted[MODULES.get(module, '') + name.removeprefix(module)] = tensor
    return converted
