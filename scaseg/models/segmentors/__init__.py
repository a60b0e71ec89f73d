from .distilled_encoder_decoder import DistilledEncoderDecoder
from .half_resolution_encoder_decoder import HalfResolutionEncoderDecoder
from .lean_encoder_decoder import LeanEncoderDecoder
from .lean_tta_model import LeanTTAModel

__all__ = ['DistilledEncoderDecoder', 'HalfResolutionEncoderDecoder', 'LeanEncoderDecoder', 'LeanTTAModel']
