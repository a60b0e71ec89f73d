from .feature_upsampler import FeatureUpsampler

__all__ = ['FeatureUpsampler']
