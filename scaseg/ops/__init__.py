"""Pure functions on tensors. They need torch and nothing else, and can be used outside scaseg."""

from .strip_attention import naive_strip_attention, strip_attention

__all__ = ['naive_strip_attention', 'strip_attention']
