"""mmengine's checkpoint hook, kept to its own run."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.dist import get_rank, get_world_size, is_main_process
from mmengine.hooks import CheckpointHook, EarlyStoppingHook
from mmengine.model import is_model_wrapper
from mmengine.runner import EpochBasedTrainLoop, Runner
from mmseg.registry import HOOKS
from torch import nn

from scaseg.errors import UserError
from scaseg.evaluation import ConfusionMetric

from .loss_val_loop import LossValLoop
from .progress_logger_hook import LAST_SCORE
from .run_state import KEY, collect, restore


@HOOKS.register_module()
class RunCheckpointHook(CheckpointHook):
    """``CheckpointHook`` for trainings that go on bit for bit, wherever they are cut off.

    A run that resumes another folder's checkpoint carries the path of that folder's best file along, and mmengine
    would delete it for the first better one. And a checkpoint is written before the validation of its iteration: who
    stops a run in between would resume behind that validation, at the end of a training behind the last one. It stores
    the ``run_state`` of all processes, and deletes the oldest checkpoint when the new one is there, not before.

    Args:
        See ``mmengine.hooks.CheckpointHook``.

    Raises:
        ValueError: a loss is to be kept where it is largest.
        UserError: before a training, it or an ``EarlyStoppingHook`` waits for a figure that no validation gives.
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.saved_iter = 0
        self._state: dict[str, Any] | None = None  # to be saved, or resumed
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
        if is_main_process():
            for half in folder.glob('*.pth.*.partial'):  # of a process that was killed while it wrote
                half.unlink()
        best: str | None = getattr(self, 'best_ckpt_path', None)
        if best and Path(best).resolve().parent != folder:
            self.best_ckpt_path = None
        several: dict[str, str | None] = getattr(self, 'best_ckpt_path_dict', {})
        for figure, path in several.items():
            if path and Path(path).resolve().parent != folder:
                several[figure] = None
        self._restore_state(runner)
        loop = runner.train_loop
        unit = len(loop.dataloader) if isinstance(loop, EpochBasedTrainLoop) else 1  # of the interval, in iterations
        is_due = runner.iter > 0 and (runner.iter % (unit * loop.val_interval) == 0 or runner.iter >= loop.max_iters)
        last = runner.message_hub.runtime_info.get(LAST_SCORE, {'iter': 0})
        if runner.val_loop is not None and is_due and last['iter'] != runner.iter:
            runner.logger.info(f'validating iteration {runner.iter}, where the resumed run was stopped')
            runner.val_loop.run()

    def after_load_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Keep the state of the processes until all that is random before the first step is past."""
        if runner._resume:
            self._state = checkpoint.get(KEY)

    def before_save_checkpoint(self, runner: Runner, checkpoint: dict[str, Any]) -> None:
        """Add the state of the processes to a checkpoint that can be resumed."""
        if self._state is not None and 'optimizer' in checkpoint:
            checkpoint[KEY] = self._state

    def save_now(self, runner: Runner) -> None:
        """Save behind the step that is ending, unless that has been done."""
        step = runner.iter + 1
        if self.saved_iter == step:
            return
        meta = dict(epoch=runner.epoch, iter=step)
        if not self.by_epoch:
            self._save_checkpoint_with_step(runner, step, meta)
            return
        self._state = collect(_bare(runner.model), runner.cfg)  # an epoch that is not over: named after the iteration
        runner.save_checkpoint(
            self.out_dir, f'iter_{step}.pth', meta=meta, by_epoch=False, backend_args=self.backend_args
        )
        self._state = None

    def _save_checkpoint_with_step(self, runner: Runner, step: int, meta: dict[str, int]) -> None:
        outdated = None
        if 0 < self.max_keep_ckpts == len(self.keep_ckpt_ids) and self.keep_ckpt_ids[-1] != step:
            outdated = self.keep_ckpt_ids.popleft()
        self._state = collect(_bare(runner.model), runner.cfg)
        super()._save_checkpoint_with_step(runner, step, meta)
        self._state, self.saved_iter = None, meta['iter']
        if outdated is not None and is_main_process():
            Path(self.out_dir, self.filename_tmpl.format(outdated)).unlink(missing_ok=True)

    def _restore_state(self, runner: Runner) -> None:
        state, self._state = self._state, None
        if state is None:
            return
        self.saved_iter = runner.iter
        if Path(str(runner._load_from)).resolve().parent == Path(self.out_dir).resolve():
            self.last_ckpt = str(runner._load_from)  # to be saved again, should the validation behind it be the best
        if len(state['processes']) != get_world_size():
            runner.logger.warning(
                f'resumed on {get_world_size()} processes, saved on {len(state["processes"])}: what is random in the '
                'network is drawn anew'
            )
            return
        restore(state, _bare(runner.model), get_rank())


def _bare(model: Any) -> nn.Module:
    return model.module if is_model_wrapper(model) else model


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
