"""No step of the optimiser on a loss or gradient that is not finite."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import torch
from mmengine.dist import all_gather_object, all_reduce, get_rank, is_main_process
from mmengine.hooks import Hook
from mmengine.model import BaseModel, is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn
from torch.nn.utils import get_total_norm

from scaseg.errors import UserError

from .fault_search import find_fault, plain_batch

SKIPPED = 'skipped_steps'  # in mmengine's message hub, and so in every checkpoint


@HOOKS.register_module()
class FiniteStepHook(Hook):
    """Looks at losses and gradients before each step of the optimiser; leaves the step out where they are not finite.

    Weights, optimiser state and running statistics stay as they were before the step. The batch of the fault is run
    once more, under the same random numbers, to find the first module whose output is not finite, and is written into
    the work folder as ``fault_iter_N.pth`` (with several processes one file each). All processes decide alike.

    A step that mixed precision leaves out while it looks for its loss scale is none of that: under a loss scale a
    gradient counts as broken once the scale has fallen below 1.

    Args:
        max_skips: so many steps of a training are left out with a warning; the next one ends it. 0 ends it at once.

    Raises:
        UserError: in training, at the fault that ends it. Names iteration, loss terms, images and module.
    """

    priority = 'VERY_HIGH'  # before what logs, averages or saves the step

    def __init__(self, max_skips: int = 0) -> None:
        self.max_skips = max_skips
        self.cycle: list[dict[str, Any]] = []  # batches of this step, more than one where gradients accumulate
        self.is_broken = False

    def before_train(self, runner: Runner) -> None:
        """Take a place between backward pass and step."""
        self.model: BaseModel = runner.model.module if is_model_wrapper(runner.model) else runner.model
        self.optim_wrapper: OptimWrapper = runner.optim_wrapper
        scaler = getattr(self.optim_wrapper, 'loss_scaler', None)
        self.scaler = scaler if scaler is not None and scaler.is_enabled() else None
        self.buffers = list(self.model.buffers())
        self.earlier_buffers = [x.clone() for x in self.buffers]
        self.handles = [
            self.model.register_forward_hook(self._keep_losses),
            self.optim_wrapper.optimizer.register_step_pre_hook(self._check_step),
        ]

    def after_train(self, runner: Runner) -> None:
        """Leave that place."""
        for handle in self.handles:
            handle.remove()

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Keep what it takes to go back."""
        if not self.cycle:
            self.is_broken = False
            torch._foreach_copy_(self.earlier_buffers, self.buffers)
        device = next(self.model.parameters()).device
        random = torch.cuda.get_rng_state(device) if device.type == 'cuda' else torch.get_rng_state()
        self.cycle.append(dict(data=data_batch, random=random, losses={}))

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Report a fault of the step that this iteration has completed."""
        if not self.optim_wrapper.should_update():
            return
        if self.scaler is not None and not self.is_broken:  # it may have left out the step itself
            self.is_broken = not are_finite(self._losses(), []) or self.scaler.get_scale() < 1
        cycle, self.cycle = self.cycle, []
        if self.is_broken:
            self._report(runner, cycle)

    def _keep_losses(self, model: nn.Module, args: Any, output: Any) -> None:
        if self.cycle and isinstance(output, dict):
            self.cycle[-1]['losses'] = output

    def _check_step(self, optimizer: torch.optim.Optimizer, args: Any, kwargs: Any) -> None:
        gradients = [x.grad for group in optimizer.param_groups for x in group['params'] if x.grad is not None]
        if self.scaler is not None:  # it has looked at them
            gradients = []
        if self.cycle and not are_finite(self._losses(), gradients):
            self.is_broken = True
            optimizer.zero_grad(set_to_none=True)  # an optimiser passes over parameters without a gradient

    def _losses(self) -> list[Tensor]:
        """All terms of the losses of this step."""
        values = [x for batch in self.cycle for name, x in batch['losses'].items() if 'loss' in name]
        return [x for value in values for x in (value if isinstance(value, list) else [value])]

    def _report(self, runner: Runner, cycle: list[dict[str, Any]]) -> None:
        torch._foreach_copy_(self.buffers, self.earlier_buffers)
        faults = [find_fault(self.model, batch['data'], batch['random'], self.optim_wrapper) for batch in cycle]
        torch._foreach_copy_(self.buffers, self.earlier_buffers)
        number = next((number for number, fault in enumerate(faults) if fault), 0)
        name = f'fault_iter_{runner.iter + 1}' + (f'_process_{get_rank()}' if runner.distributed else '')
        path = Path(runner.work_dir) / f'{name}.pth'
        record = plain_batch(cycle[number]['data']) | dict(random=cycle[number]['random'])
        torch.save(record | dict(state_dict=self.model.state_dict()), path)
        found = [fault for fault in all_gather_object(faults[number]) if fault]
        fault = found[0] if found else 'the fault did not show again when the batch was run once more'
        skipped = runner.message_hub.runtime_info.get(SKIPPED, 0) + 1
        runner.message_hub.update_info(SKIPPED, skipped)
        message = f'iteration {runner.iter + 1}: {fault}. The weights are those before it; the batch is in {path}'
        if skipped > self.max_skips:
            raise UserError(
                f'{message}. Go on from a checkpoint with a lower optim_wrapper.optimizer.lr, a longer warm-up or '
                'optim_wrapper.clip_grad, or leave such steps out: default_hooks.finite_step.max_skips='
                f'{max(10, 2 * skipped)}'
            )
        if is_main_process():
            runner.logger.warning(f'step left out ({skipped} of at most {self.max_skips}): {message}')


def are_finite(losses: Sequence[Tensor], gradients: Sequence[Tensor]) -> bool:
    """Whether all numbers of losses and gradients are finite on all processes; waits for the GPU once."""
    sums = [x.detach().float().sum() for x in losses]
    if _all_agree([*sums, get_total_norm(gradients)] if gradients else sums):
        return True
    return _all_agree(sums + [x.abs().max() for x in gradients])  # in the norm, squares overflow before the numbers do


def _all_agree(values: Sequence[Tensor]) -> bool:
    finite = torch.stack(list(values)).isfinite().all().float()
    all_reduce(finite, op='min')
    return bool(finite)
