from .context_blend import ContextBlend, pool_to_grid
from .cross_layer_block import CrossLayerBlock
from .fused_projection import FusedProjection
from .local_perception import FeedForward, LocalPerception
from .strip_cross_attention import StripCrossAttention

__all__ = [
    'ContextBlend',
    'CrossLayerBlock',
    'FeedForward',
    'FusedProjection',
    'LocalPerception',
    'StripCrossAttention',
    'pool_to_grid',
]
