"""Pure functions on tensors. They need torch and nothing else, and can be used outside scaseg."""

from .strip_attention import strip_attention

__all__ = ['strip_attention']
