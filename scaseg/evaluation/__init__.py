"""Evaluation metrics; importing this package registers them."""

from .boundary import boundary_counts
from .confusion_metric import ConfusionMetric
from .figures import ClassFigures, class_figures, confusion_matrix, mean_figures

__all__ = [
    'ClassFigures',
    'ConfusionMetric',
    'boundary_counts',
    'class_figures',
    'confusion_matrix',
    'mean_figures',
]
