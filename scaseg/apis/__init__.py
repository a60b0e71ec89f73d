"""What the tools call. They parse a command line and nothing else."""

from .complexity import Complexity, count_complexity
from .convert import convert
from .test import test
from .train import train

__all__ = ['Complexity', 'convert', 'count_complexity', 'test', 'train']
