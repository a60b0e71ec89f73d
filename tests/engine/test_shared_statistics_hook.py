"""All processes have the running statistics that a checkpoint holds."""

from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.dist import get_rank
from torch import Tensor, nn

from scaseg.engine import SharedStatisticsHook


def statistics() -> tuple[Tensor, Tensor]:
    """Running means of a norm that learns and of a frozen one, after two iterations on images of this process."""
    moving, frozen = nn.BatchNorm2d(1), nn.BatchNorm2d(1).eval()
    runner: Any = SimpleNamespace(model=nn.Sequential(moving, frozen), distributed=True)
    for iteration in range(2):
        runner.model(torch.full((1, 1, 2, 2), 1.0 + get_rank()))
        SharedStatisticsHook().after_train_iter(runner, iteration)
    return moving.running_mean, frozen.running_mean


def test_running_statistics_are_averaged_over_processes(
    in_processes: Callable[[int, Callable[[], object]], list[Any]],
) -> None:
    for moving, frozen in in_processes(2, statistics):
        torch.testing.assert_close(moving, torch.tensor([1.5 * (1 - 0.9**2)]))
        assert frozen == 0
