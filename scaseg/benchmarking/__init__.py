"""What networks, operators and evaluations cost: counted, or timed side by side."""

from .complexity import Complexity, count_complexity

__all__ = ['Complexity', 'count_complexity']
