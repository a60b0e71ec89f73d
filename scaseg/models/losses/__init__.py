from .atm_loss import ATMLoss
from .category_consistent_loss import CategoryConsistentLoss
from .distillation import feature_distance, log_probabilities, output_divergence

__all__ = ['ATMLoss', 'CategoryConsistentLoss', 'feature_distance', 'log_probabilities', 'output_divergence']
