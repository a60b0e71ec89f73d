"""Pictures for people: training curves, and predictions beside the truth."""

from .confusion import draw_confusion
from .curves import Curve, Scalars, plot_curves, read_scalars
from .predictions import Panel, draw_predictions, overlay

__all__ = ['Curve', 'Panel', 'Scalars', 'draw_confusion', 'draw_predictions', 'overlay', 'plot_curves', 'read_scalars']
