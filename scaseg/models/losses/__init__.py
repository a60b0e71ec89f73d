from .atm_loss import ATMLoss
from .banded_cross_entropy import BandedCrossEntropyLoss
from .batch_cross_entropy import BatchCrossEntropyLoss
from .category_consistent_loss import CategoryConsistentLoss
from .distillation import feature_distance, log_probabilities, output_divergence
from .ohem_cross_entropy import OHEMCrossEntropyLoss
from .over_processes import process_mean

__all__ = [
    'ATMLoss',
    'BandedCrossEntropyLoss',
    'BatchCrossEntropyLoss',
    'CategoryConsistentLoss',
    'OHEMCrossEntropyLoss',
    'feature_distance',
    'log_probabilities',
    'output_divergence',
    'process_mean',
]
