from .scaseg_head import SCASegHead

__all__ = ['SCASegHead']
