"""A resumed training whose schedule was changed: the learning rate of the config, as if it had been so all along."""

import copy
import warnings
from typing import Any

from mmengine.optim import ReduceOnPlateauParamScheduler
from mmengine.runner import EpochBasedTrainLoop, Runner

from scaseg.errors import UserError


class ScheduleReplay:
    """Takes note of optimiser settings and schedulers as built from the config, and plays the schedule again.

    Args:
        runner: whose optimiser and schedulers are built, and that has not resumed yet.

    Raises:
        UserError: a scheduler follows the figures of validations, which cannot be played again.
    """

    def __init__(self, runner: Runner) -> None:
        if any(isinstance(scheduler, ReduceOnPlateauParamScheduler) for scheduler in runner.param_schedulers or []):
            raise UserError(
                'param_scheduler: a schedule that follows validations cannot be changed in a resumed training; resume '
                "with the checkpoint's schedule, or start from its weights with --cfg-options load_from=..."
            )
        self.settings = [
            {name: copy.deepcopy(value) for name, value in group.items() if name != 'params'}
            for group in runner.optim_wrapper.param_groups
        ]
        self.states = [copy.deepcopy(scheduler.state_dict()) for scheduler in runner.param_schedulers or []]

    def run(self, runner: Runner) -> None:
        """Bring the settings of the config to where the resumed training stands."""
        for group, settings in zip(runner.optim_wrapper.param_groups, self.settings, strict=True):
            group.update(settings)
        schedulers: list[Any] = runner.param_schedulers or []
        for scheduler, state in zip(schedulers, self.states, strict=True):
            scheduler.load_state_dict(state)
        loop = runner.train_loop
        epoch = len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else 0
        with warnings.catch_warnings():
            warnings.simplefilter('ignore', UserWarning)  # that no step of the optimiser came before
            for done in range(1, runner.iter + 1):
                for scheduler in schedulers:
                    if not scheduler.by_epoch or (epoch and done % epoch == 0):
                        scheduler.step()
