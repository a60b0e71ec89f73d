"""What is checked, said and put right where a training is resumed."""

from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from scaseg.errors import UserError
from scaseg.weights.fit import describe_mismatch, describe_other_classes, shorten

from .resume_checks import check_contents, check_optimizer
from .run_state import KEY, differences, plain_config
from .schedule_replay import ScheduleReplay

SCHEDULE = ('param_scheduler', 'optim_wrapper.optimizer.lr')


@HOOKS.register_module()
class ResumeHook(Hook):
    """Refuses a checkpoint that a training cannot go on from, says what differs, lets the schedule follow the config.

    Where learning rate and schedule are those of the checkpoint, they go on from its state. Where the config has
    changed them, the rate is the one that the config has for this iteration.

    Raises:
        UserError: where a training is resumed, model, optimiser or content of the checkpoint is not as it must be.
    """

    priority = 'HIGHEST'  # before the average of weights is taken over

    def __init__(self) -> None:
        self.replay: ScheduleReplay | None = None

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Check the content before mmengine takes it over."""
        if not runner._resume:
            return
        path = str(runner._load_from)
        check_contents(checkpoint, path)
        checkpoint['meta'].pop('config', None)  # of old frameworks: mmengine would run it
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        if mismatch := describe_mismatch(model, checkpoint['state_dict']):
            raise UserError(
                f'{path} cannot be resumed with this model: {mismatch}; resume with the config it was made by'
            )
        check_optimizer(checkpoint['optimizer'], runner.optim_wrapper.optimizer, path)
        classes = (checkpoint['meta'].get('dataset_meta') or {}).get('classes')
        if other := describe_other_classes(classes, runner.train_dataloader.dataset.metainfo.get('classes')):
            runner.logger.warning(f'{path} {other}')
        self._compare_configs(runner, checkpoint, path)

    def before_train(self, runner: Runner) -> None:
        """Play a changed schedule, now that mmengine has taken the checkpoint over."""
        if self.replay is not None:
            self.replay.run(runner)
            rates = ', '.join(f'{rate:.3g}' for rate in sorted({g['lr'] for g in runner.optim_wrapper.param_groups}))
            runner.logger.info(f'learning rate of the config at iteration {runner.iter}: {rates}')
            self.replay = None
        if runner.iter > 0 and runner.iter >= runner.max_iters:
            runner.logger.info(
                f'this training is complete: {runner.iter} of {runner.max_iters} iterations are done; a larger '
                'train_cfg.max_iters continues it'
            )

    def _compare_configs(self, runner: Runner, checkpoint: dict[str, Any], path: str) -> None:
        before = (checkpoint.get(KEY) or {}).get('config')
        if before is None:  # of mmengine's own runner, or of an earlier version
            if len(checkpoint['param_schedulers']) != len(runner.param_schedulers or []):
                raise UserError(
                    f'{path} has {len(checkpoint["param_schedulers"])} schedulers, the config '
                    f'{len(runner.param_schedulers or [])}: resume with the param_scheduler it was made by'
                )
            return
        changed = differences(before, plain_config(runner.cfg))
        if changed:
            runner.logger.warning(f'{path} was made by another config: {shorten(changed, 8)}')
        if any(line.startswith(SCHEDULE) for line in changed):
            self.replay = ScheduleReplay(runner)
            checkpoint.pop('param_schedulers')
