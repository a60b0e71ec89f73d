"""What the tools call. They parse a command line and nothing else."""

from .convert import convert
from .test import test
from .train import train

__all__ = ['convert', 'test', 'train']
