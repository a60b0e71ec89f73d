from .check_labels import CheckLabels
from .load_bands import BandJitter, LoadBands
from .load_files import LoadImage, LoadLabels

__all__ = ['BandJitter', 'CheckLabels', 'LoadBands', 'LoadImage', 'LoadLabels']
