"""Importing this package registers the models of scaseg into mmseg's registry."""

from .backbones import (
    OfficialMixVisionTransformer,
    PlainVisionTransformer,
    SeaFormer,
    ShrunkVisionTransformer,
    TIMMFeatures,
)
from .band_preprocessor import BandDataPreProcessor
from .decode_heads import (
    ATMHead,
    HamburgerHead,
    LightFusionHead,
    RCCAHead,
    SCASegHead,
    SEAHead,
    SegFormerMLPHead,
    ShrunkATMHead,
)
from .losses import ATMLoss, BandedCrossEntropyLoss, CategoryConsistentLoss
from .necks import FeatureUpsampler
from .segmentors import DistilledEncoderDecoder, HalfResolutionEncoderDecoder, LeanEncoderDecoder, LeanTTAModel

__all__ = [
    'ATMHead',
    'ATMLoss',
    'BandDataPreProcessor',
    'BandedCrossEntropyLoss',
    'CategoryConsistentLoss',
    'DistilledEncoderDecoder',
    'FeatureUpsampler',
    'HalfResolutionEncoderDecoder',
    'HamburgerHead',
    'LeanEncoderDecoder',
    'LeanTTAModel',
    'LightFusionHead',
    'OfficialMixVisionTransformer',
    'PlainVisionTransformer',
    'RCCAHead',
    'SCASegHead',
    'SEAHead',
    'SeaFormer',
    'SegFormerMLPHead',
    'ShrunkATMHead',
    'ShrunkVisionTransformer',
    'TIMMFeatures',
]
