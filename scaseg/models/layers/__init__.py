from .attention_to_mask import ATMDecoder, ATMDecoderLayer, AttentionToMask, MapToTokens
from .context_blend import ContextBlend, pool_to_grid
from .criss_cross_attention import CrissCrossAttention
from .cross_layer_block import CrossLayerBlock
from .fused_projection import FusedProjection
from .hamburger import Hamburger
from .local_perception import FeedForward, LocalPerception
from .mask_prediction import MaskPrediction
from .sea_attention import SEAAttention
from .sea_block import SEABlock
from .strip_cross_attention import StripCrossAttention

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
    'pool_to_grid',
]
