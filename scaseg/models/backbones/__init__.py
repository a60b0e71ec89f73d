from .timm_features import TIMMFeatures

__all__ = ['TIMMFeatures']
