from .atm_head import ATMHead
from .hamburger_head import HamburgerHead
from .light_fusion_head import LightFusionHead
from .rcca_head import RCCAHead
from .scaseg_head import SCASegHead
from .sea_head import SEAHead
from .segformer_head import SegFormerMLPHead
from .shrunk_atm_head import ShrunkATMHead

__all__ = [
    'ATMHead',
    'HamburgerHead',
    'LightFusionHead',
    'RCCAHead',
    'SCASegHead',
    'SEAHead',
    'SegFormerMLPHead',
    'ShrunkATMHead',
]
