"""Pure functions on tensors. They need torch and nothing else, and can be used outside scaseg."""

from .criss_cross import criss_cross
from .nmf import nmf
from .strip_attention import naive_strip_attention, strip_attention
from .upsample_argmax import upsample_argmax
from .upsampled_cross_entropy import upsampled_cross_entropy

__all__ = [
    'criss_cross',
    'naive_strip_attention',
    'nmf',
    'strip_attention',
    'upsample_argmax',
    'upsampled_cross_entropy',
]
