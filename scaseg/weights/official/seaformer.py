"""SeaFormer (encoder and light head) as its authors publish it."""

import re
from collections.abc import Mapping

from torch import Tensor

from ..layouts import seaformer_to_scaseg

FUSION = {'local_embedding': 'detail', 'global_act': 'gate'}


def convert_seaformer(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official SeaFormer to ``LightFusionHead`` on our ``SeaFormer``; fusions are counted from 0, not from 1."""
    renamed = {}
    for name, tensor in seaformer_to_scaseg(state).items():
        if fusion := re.match(r'decode_head\.fuse(\d)\.(local_embedding|global_act)\.(.+)', name):
            name = f'decode_head.fusions.{int(fusion[1]) - 1}.{FUSION[fusion[2]]}.{fusion[3]}'
        renamed[name.replace('decode_head.linear_fuse.', 'decode_head.channel_scale.')] = tensor
    return renamed
