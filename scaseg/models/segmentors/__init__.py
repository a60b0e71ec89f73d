from .distilled_encoder_decoder import DistilledEncoderDecoder, HalfResolutionEncoderDecoder
from .lean_encoder_decoder import LeanEncoderDecoder
from .lean_tta_model import LeanTTAModel

__all__ = ['DistilledEncoderDecoder', 'HalfResolutionEncoderDecoder', 'LeanEncoderDecoder', 'LeanTTAModel']
