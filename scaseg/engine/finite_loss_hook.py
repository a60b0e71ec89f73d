"""Stop a training that has broken down."""

from typing import Any

import torch
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from scaseg.errors import UserError


@HOOKS.register_module()
class FiniteLossHook(Hook):
    """Ends a training whose loss stays infinite or not a number, before it writes worthless checkpoints for days.

    Args:
        interval: iterations between two looks; each waits for the GPU once.
        patience: looks in a row that must find the loss broken: a single step may be skipped by mixed precision.

    Raises:
        UserError: in training, the loss is broken.
    """

    def __init__(self, interval: int = 50, patience: int = 3) -> None:
        self.interval = interval
        self.patience = patience
        self.broken_looks = 0

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Look at the loss of this iteration."""
        if not self.every_n_train_iters(runner, self.interval):
            return
        is_finite = bool(torch.as_tensor(outputs['loss']).isfinite().all())
        self.broken_looks = 0 if is_finite else self.broken_looks + 1
        if self.broken_looks == self.patience:
            raise UserError(
                f'the loss is not finite at iteration {runner.iter + 1}, for {self.patience} looks in a row: go back '
                'to a checkpoint from before, with a lower optim_wrapper.optimizer.lr, a longer warm-up or '
                'optim_wrapper.clip_grad'
            )
