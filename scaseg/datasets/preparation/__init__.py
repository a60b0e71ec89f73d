"""Public data sets, from the archives as downloaded to the folders that the configs read."""

from .prepare import prepare
from .recipes import RECIPES

__all__ = ['RECIPES', 'prepare']
