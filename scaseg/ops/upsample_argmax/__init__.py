from .upsample_argmax import argmax_of_planes, classes_at_once, upsample_argmax

__all__ = ['argmax_of_planes', 'classes_at_once', 'upsample_argmax']
