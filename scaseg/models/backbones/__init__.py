from .leveled_encoder import LeveledEncoder
from .plain_vit import PlainVisionTransformer
from .seaformer import SeaFormer
from .segformer import OfficialMixVisionTransformer
from .shrunk_vit import ShrunkVisionTransformer
from .timm_features import TIMMFeatures

__all__ = [
    'LeveledEncoder',
    'OfficialMixVisionTransformer',
    'PlainVisionTransformer',
    'SeaFormer',
    'ShrunkVisionTransformer',
    'TIMMFeatures',
]
