from .criss_cross import criss_cross

__all__ = ['criss_cross']
