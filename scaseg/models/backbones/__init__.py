from .plain_vit import PlainVisionTransformer
from .seaformer import SeaFormer
from .shrunk_vit import ShrunkVisionTransformer
from .timm_features import TIMMFeatures

__all__ = ['PlainVisionTransformer', 'SeaFormer', 'ShrunkVisionTransformer', 'TIMMFeatures']
