"""Pictures for people: training curves, predictions beside the truth, and what a network says about a picture."""

from .attention_views import AttentionView, LayerView, StripView
from .confusion import draw_confusion
from .curves import Curve, Scalars, plot_curves, read_scalars
from .legend import add_legend, area_entries
from .picture_files import check_replaceable, save_figure, save_picture
from .predictions import Panel, draw_predictions, overlay
from .result import PICTURES, Result, picture_paths

__all__ = [
    'PICTURES',
    'AttentionView',
    'Curve',
    'LayerView',
    'Panel',
    'Result',
    'Scalars',
    'StripView',
    'add_legend',
    'area_entries',
    'check_replaceable',
    'draw_confusion',
    'draw_predictions',
    'overlay',
    'picture_paths',
    'plot_curves',
    'read_scalars',
    'save_figure',
    'save_picture',
]
