"""Transforms that mmsegmentation lacks."""

from .check_labels import CheckLabels

__all__ = ['CheckLabels']
