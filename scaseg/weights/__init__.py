"""ImageNet weights for encoders, by name: a table of files, a place to keep them, key conversion, checked loading."""

from .load import LoadReport, load_pretrained
from .store import read_checkpoint

__all__ = ['LoadReport', 'load_pretrained', 'read_checkpoint']
