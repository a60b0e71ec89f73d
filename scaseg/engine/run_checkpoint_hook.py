"""mmengine's checkpoint hook, kept to its own run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from scaseg.errors import UserError
from scaseg.evaluation import ConfusionMetric

from .loss_val_loop import LossValLoop
from .progress_logger_hook import LAST_SCORE


@HOOKS.register_module()
class RunCheckpointHook(CheckpointHook):
    """``CheckpointHook`` that deletes in its own folder only, and makes up for a validation that was cut off.

    A run that resumes another folder's checkpoint carries the path of that folder's best file along, and mmengine
    would delete it for the first better one. And a checkpoint is written before the validation of its iteration: who
    stops a run in between would resume behind that validation, at the end of a training behind the last one.

    Args:
        See ``mmengine.hooks.CheckpointHook``.

    Raises:
        ValueError: a loss is to be kept where it is largest.
        UserError: before a training, it or an ``EarlyStoppingHook`` waits for a figure that no validation gives.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if self.save_best is None:
            return
        for figure, rule in zip(self.key_indicators, self.rules, strict=True):
            if 'loss' in figure and rule == 'greater':
                raise ValueError(
                    f"default_hooks.checkpoint: save_best={figure!r} with rule='greater' keeps the worst weights; "
                    "set rule='less'"
                )

    def before_train(self, runner: Runner) -> None:
        """Forget a best checkpoint that lies elsewhere; validate where the resumed run was stopped in a validation."""
        _check_figures(runner, 'default_hooks.checkpoint.save_best', self.key_indicators if self.save_best else [])
        for hook in runner.hooks:
            if isinstance(hook, EarlyStoppingHook):
                _check_figures(runner, 'EarlyStoppingHook.monitor', [hook.monitor])
        super().before_train(runner)
        folder = Path(self.out_dir).resolve()
        best: str | None = getattr(self, 'best_ckpt_path', None)
        if best and Path(best).resolve().parent != folder:
            self.best_ckpt_path = None
        several: dict[str, str | None] = getattr(self, 'best_ckpt_path_dict', {})
        for figure, path in several.items():
            if path and Path(path).resolve().parent != folder:
                several[figure] = None
        loop = runner.train_loop
        is_due = runner.iter > 0 and (runner.iter % loop.val_interval == 0 or runner.iter >= loop.max_iters)
        last = runner.message_hub.runtime_info.get(LAST_SCORE, {'iter': 0})
        if runner.val_loop is not None and is_due and last['iter'] != runner.iter:
            runner.logger.info(f'validating iteration {runner.iter}, where the resumed run was stopped')
            runner.val_loop.run()


def _check_figures(runner: Runner, key: str, names: Sequence[str]) -> None:
    """Raise a UserError for a figure that the first validation would be found not to give."""
    loop = runner.val_loop
    metrics = [] if loop is None else loop.evaluator.metrics
    if not metrics or not all(isinstance(metric, ConfusionMetric) for metric in metrics):
        return  # what other metrics give is theirs to know
    known = {name for metric in metrics for name in metric.figure_names}
    for name in names:
        if name.startswith('val_'):
            if not isinstance(loop, LossValLoop):
                raise UserError(f"{key}={name!r}: a validation gives it with val_cfg=dict(type='LossValLoop') alone")
        elif name not in {*known, 'auto'} and '/' not in name:  # 'auto' is mmengine's word for the first one
            raise UserError(f'{key}={name!r}: a validation gives {", ".join(sorted(known))}')
