from .banded import upsampled_cross_entropy
from .naive import naive_upsampled_cross_entropy

__all__ = ['naive_upsampled_cross_entropy', 'upsampled_cross_entropy']
