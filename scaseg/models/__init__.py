"""Importing this package registers the models of scaseg into mmseg's registry."""

from .backbones import TIMMFeatures
from .decode_heads import SCASegHead
from .segmentors import LeanEncoderDecoder

__all__ = ['LeanEncoderDecoder', 'SCASegHead', 'TIMMFeatures']
