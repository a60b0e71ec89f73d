from .check_labels import CheckLabels
from .load_files import LoadImage, LoadLabels

__all__ = ['CheckLabels', 'LoadImage', 'LoadLabels']
