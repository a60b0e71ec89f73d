"""Ending a training on a signal, behind a whole step and with a checkpoint."""

import os
import signal
import threading
from typing import Any

import torch
from mmengine.dist import all_reduce, barrier, get_world_size
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from scaseg.errors import Stopped

from .run_checkpoint_hook import RunCheckpointHook

SIGNALS = (signal.SIGTERM, signal.SIGUSR1, signal.SIGINT)


@HOOKS.register_module()
class StopHook(Hook):
    """Finishes the step, saves and ends the training on SIGTERM, SIGUSR1 or Ctrl-C; a second signal ends it at once.

    With several processes a signal to one of them stops all, behind the same step. A validation is cut short where one
    process validates and its iteration is saved: the resumed training makes up for it. Else it is finished first.

    Raises:
        Stopped: in training, a signal came.
    """

    priority = 'LOWEST'  # behind the checkpoint hook: what is due has been saved

    def __init__(self) -> None:
        self.received: signal.Signals | None = None
        self.before: dict[signal.Signals, Any] = {}

    def before_train(self, runner: Runner) -> None:
        """Take over the signals, which only the main thread of a process can."""
        if threading.current_thread() is threading.main_thread():
            self.before = {number: signal.signal(number, self._note) for number in SIGNALS}

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """End here if a signal came to any process."""
        if self._is_asked_of_any():
            self._end(runner, runner.iter + 1)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Cut a validation short whose training is saved."""
        saved = {hook.saved_iter for hook in runner.hooks if isinstance(hook, RunCheckpointHook)}
        if self.received is not None and get_world_size() == 1 and saved == {runner.iter}:
            raise Stopped(self._message(runner, runner.iter), self._exit_code)

    def after_run(self, runner: Runner) -> None:
        """Give the signals back."""
        for number, handler in self.before.items():
            signal.signal(number, handler)
        self.before = {}

    def on_exception(self, runner: Runner) -> None:
        """Give the signals back."""
        self.after_run(runner)

    def _note(self, number: int, frame: Any) -> None:
        if self.received is not None:
            raise KeyboardInterrupt
        self.received = signal.Signals(number)
        os.write(2, f'\n{self.received.name}: saving behind this step; again to end at once\n'.encode())

    def _is_asked_of_any(self) -> bool:
        if get_world_size() == 1:
            return self.received is not None
        number = torch.tensor(self.received or 0)
        all_reduce(number, 'max')
        if number and self.received is None:
            self.received = signal.Signals(int(number))
        return bool(number)

    def _end(self, runner: Runner, iteration: int) -> None:
        for hook in runner.hooks:
            if isinstance(hook, RunCheckpointHook):
                hook.save_now(runner)
        barrier()  # nobody ends before the file is there
        raise Stopped(self._message(runner, iteration), self._exit_code)

    def _message(self, runner: Runner, iteration: int) -> str:
        name = signal.Signals(self.received or signal.SIGTERM).name
        return f'stopped by {name} at iteration {iteration}, saved in {runner.work_dir}; --resume goes on from there'

    @property
    def _exit_code(self) -> int:
        return 130 if self.received == signal.SIGINT else Stopped.TRY_AGAIN
