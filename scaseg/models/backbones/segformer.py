"""The encoder of SegFormer (arXiv 2105.15203) with the numbers of its official code."""

from typing import Any

from mmseg.models.backbones import MixVisionTransformer
from mmseg.models.backbones.mit import EfficientMultiheadAttention
from mmseg.models.utils import PatchEmbed
from mmseg.registry import MODELS

EPSILON = 1e-5  # torch's default, which the official code leaves where mmseg has 1e-6


@MODELS.register_module()
class OfficialMixVisionTransformer(MixVisionTransformer):
    """mmseg's MiT with the official epsilon of every LayerNorm.

    The official code has 1e-5 after the patch embeddings and in the reduced attention, and 1e-6 elsewhere; mmseg has
    1e-6 everywhere. The tensors have the same names, so a checkpoint fits both. Take this class to score a converted
    official checkpoint exactly as its authors do.

    Args:
        kwargs: of mmseg's ``MixVisionTransformer``.
    """

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        for module in self.modules():
            if isinstance(module, PatchEmbed) or (
                isinstance(module, EfficientMultiheadAttention) and module.sr_ratio > 1
            ):
                module.norm.eps = EPSILON
