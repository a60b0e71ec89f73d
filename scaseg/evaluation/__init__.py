"""Evaluation metrics; importing this package registers them."""

from .boundary import boundary_counts
from .confusion_metric import ConfusionMetric
from .figures import ClassFigures, class_figures, confusion_matrix, mean_figures
from .image_matrices import ImageMatrices, load_image_matrices

__all__ = [
    'ClassFigures',
    'ConfusionMetric',
    'ImageMatrices',
    'boundary_counts',
    'class_figures',
    'confusion_matrix',
    'load_image_matrices',
    'mean_figures',
]
