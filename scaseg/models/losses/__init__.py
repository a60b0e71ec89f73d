from .atm_loss import ATMLoss
from .banded_cross_entropy import BandedCrossEntropyLoss
from .category_consistent_loss import CategoryConsistentLoss
from .distillation import feature_distance, log_probabilities, output_divergence
from .ohem_cross_entropy import OHEMCrossEntropyLoss

__all__ = [
    'ATMLoss',
    'BandedCrossEntropyLoss',
    'CategoryConsistentLoss',
    'OHEMCrossEntropyLoss',
    'feature_distance',
    'log_probabilities',
    'output_divergence',
]
