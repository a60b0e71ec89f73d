"""ImageNet weights for encoders, by name: a table of files, a place to keep them, key conversion, checked loading."""

from .load import LoadReport, load_pretrained

__all__ = ['LoadReport', 'load_pretrained']
