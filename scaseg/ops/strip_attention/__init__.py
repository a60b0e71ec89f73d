from .dispatch import Method, choose_method, strip_attention
from .naive import naive_strip_attention

__all__ = ['Method', 'choose_method', 'naive_strip_attention', 'strip_attention']
