"""What ``FiniteStepHook`` adds to a training step."""

from collections.abc import Callable
from functools import partial
from types import SimpleNamespace
from typing import Any

import torch
from mmengine.config import Config

from scaseg.engine.finite_step_hook import FiniteStepHook, are_finite

from .timing import Timing, time_side_by_side
from .training_step import TrainingStep


def finite_step_cost(cfg: Config, device: torch.device, batch: int, seconds: float) -> dict[str, Timing]:
    """Time a training step on random data, and what the hook does before it and between backward pass and optimiser.

    Args:
        cfg: a config.
        device: where it is trained.
        batch: images of a step.
        seconds: of timed calls for each of the three.

    Returns:
        Times of ``'step'``, ``'before'`` and ``'check'``.
    """
    step, watched = (TrainingStep(cfg, device, batch=batch) for _ in range(2))
    hook = FiniteStepHook()
    runner: Any = SimpleNamespace(model=watched.model, optim_wrapper=watched.optim_wrapper)
    hook.before_train(runner)
    gradients = [torch.randn_like(x) for x in watched.model.parameters()]
    losses = [torch.ones((), device=device)] * 3

    def before() -> None:
        hook.cycle.clear()
        hook.before_train_iter(runner, 0)

    calls: dict[str, Callable[[], object]] = dict(
        step=step, before=before, check=partial(are_finite, losses, gradients)
    )
    return time_side_by_side(calls, device, seconds)
