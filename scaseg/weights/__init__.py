"""ImageNet weights for encoders, by name: a table of files, a place to keep them, key conversion, checked loading."""

from .checkpoint_file import read_checkpoint
from .load import LoadReport, load_pretrained
from .remote import local_copy

__all__ = ['LoadReport', 'load_pretrained', 'local_copy', 'read_checkpoint']
