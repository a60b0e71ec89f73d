"""Data sets and transforms that mmsegmentation lacks; importing this package registers them."""

from .camvid import CamVidDataset
from .checked_loaders import with_checked_loaders
from .folder import FolderDataset
from .rare_class_sampler import RareClassSampler
from .toy_scenes import ToyScenes
from .transforms import BandJitter, CheckLabels, LoadBands, LoadImage, LoadLabels

__all__ = [
    'BandJitter',
    'CamVidDataset',
    'CheckLabels',
    'FolderDataset',
    'LoadBands',
    'LoadImage',
    'LoadLabels',
    'RareClassSampler',
    'ToyScenes',
    'with_checked_loaders',
]
