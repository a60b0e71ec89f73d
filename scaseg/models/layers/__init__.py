"""The building blocks of the methods, one file a method, and what two of them share."""

from .build import build_block
from .ccnet import CrissCrossAttention
from .fused_projection import FusedProjection
from .hamburger import Hamburger
from .scaseg import (
    ContextBlend,
    CrossLayerBlock,
    FeedForward,
    LocalPerception,
    StripCrossAttention,
    VanillaCrossAttention,
    pool_to_grid,
)
from .seaformer import SEAAttention, SEABlock
from .segvit import ATMDecoder, ATMDecoderLayer, AttentionToMask, MapToTokens, MaskPrediction

__all__ = [
    'ATMDecoder',
    'ATMDecoderLayer',
    'AttentionToMask',
    'ContextBlend',
    'CrissCrossAttention',
    'CrossLayerBlock',
    'FeedForward',
    'FusedProjection',
    'Hamburger',
    'LocalPerception',
    'MapToTokens',
    'MaskPrediction',
    'SEAAttention',
    'SEABlock',
    'StripCrossAttention',
    'VanillaCrossAttention',
    'build_block',
    'pool_to_grid',
]
