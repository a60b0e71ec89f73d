from .naive import strip_attention

__all__ = ['strip_attention']
