from .leveled_encoder import LeveledEncoder
from .plain_vit import PlainVisionTransformer
from .seaformer import SeaFormer
from .shrunk_vit import ShrunkVisionTransformer
from .timm_features import TIMMFeatures

__all__ = ['LeveledEncoder', 'PlainVisionTransformer', 'SeaFormer', 'ShrunkVisionTransformer', 'TIMMFeatures']
