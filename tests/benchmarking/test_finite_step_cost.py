"""What the look for numbers that are not finite costs."""

from pathlib import Path

import torch

from scaseg.apis.config import load_config
from scaseg.benchmarking.finite_step_cost import finite_step_cost


def test_the_check_is_timed_beside_a_step(config: Path) -> None:
    times = finite_step_cost(load_config(config), torch.device('cpu'), batch=2, seconds=0.2)
    assert 0 < times['before'].p50 < times['check'].p50 < times['step'].p50
