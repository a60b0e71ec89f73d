"""Evaluation metrics; importing this package registers them."""

from .confusion_metric import ClassFigures, ConfusionMetric, class_figures, confusion_matrix, mean_figures

__all__ = ['ClassFigures', 'ConfusionMetric', 'class_figures', 'confusion_matrix', 'mean_figures']
