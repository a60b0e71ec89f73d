from .nmf import nmf

__all__ = ['nmf']
