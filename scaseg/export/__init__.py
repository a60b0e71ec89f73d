"""Networks as files that run without this code, each with a proof that it gives the same."""

from .export import FORMATS, export_model
from .model_folder import save_model_folder

__all__ = ['FORMATS', 'export_model', 'save_model_folder']
