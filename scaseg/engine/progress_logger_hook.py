"""What the user sees of a run: a live line on a terminal, short plain lines elsewhere, everything in the log file."""

import contextlib
import datetime
import logging
import shutil
import time
from collections.abc import Iterator, Sequence
from numbers import Number
from pathlib import Path
from typing import Any, TextIO

from mmengine.dist import is_main_process
from mmengine.fileio import dump
from mmengine.hooks import LoggerHook
from mmengine.runner import Runner
from mmseg.registry import HOOKS

REDRAW_SECONDS = 0.2
PLAIN_SECONDS = 30.0  # between the plain lines of one validation or test, most of which are over before that
ERASE_LINE = '\r\x1b[K'
LAST_SCORE = 'last_mIoU'  # in the message hub, which a checkpoint keeps


class LiveLine:
    """Stands in for a terminal's stream: one line, redrawn in place, stays below everything that is written.

    Args:
        stream: the terminal.
    """

    def __init__(self, stream: TextIO) -> None:
        self.stream = stream
        self._line = ''
        self._drawn_at = float('-inf')

    def write(self, text: str) -> int:
        """Writes whole lines of ordinary output above the live line."""
        self.stream.write(f'{ERASE_LINE}{text}{self._line}' if self._line else text)
        return len(text)

    def flush(self) -> None:
        self.stream.flush()

    def is_due(self) -> bool:
        """Whether the line is old enough to be drawn again."""
        return time.monotonic() - self._drawn_at >= REDRAW_SECONDS

    def draw(self, fields: Sequence[str]) -> None:
        """Draws the fields; where the terminal is narrow, the last field stays and those before it give way."""
        shown = list(fields)
        width = shutil.get_terminal_size().columns - 1
        while len(shown) > 3 and len(' | '.join(shown)) > width:
            del shown[-2]
        self._line = ' | '.join(shown)[:width]
        self._drawn_at = time.monotonic()
        self.stream.write(ERASE_LINE + self._line)
        self.stream.flush()

    def erase(self) -> None:
        """Removes the line, to be drawn again at once when there is something new."""
        if self._line:
            self.stream.write(ERASE_LINE)
            self.stream.flush()
        self._line = ''
        self._drawn_at = float('-inf')

    def leave(self) -> None:
        """Ends the live line; what it said last stays on the screen."""
        if self._line:
            self.stream.write('\n')
            self.stream.flush()
        self._line = ''


@HOOKS.register_module()
class ProgressLoggerHook(LoggerHook):
    """LoggerHook for people: the screen tells how far the run is and how good, the log file keeps every number.

    Where standard output is a terminal, one line is redrawn in place, at most five times a second; elsewhere (a file,
    a CI log, nohup) the same fields come as a plain line after the first iteration and every ``interval`` iterations
    of training, and every half minute of a validation or test. The log file gets LoggerHook's full lines in both
    cases, ``vis_data/scalars.json`` the unrounded values, and a test its JSON file. Only rank 0 writes. Unlike in
    LoggerHook, the last iteration is always logged, whether ``interval`` divides it or not, and the end of a pass over
    the data is not an event.

    Metrics are shown as they arrive, which in this codebase is in percent, with two decimals. The mIoU of the last
    validation is kept in the checkpoint, so that a resumed run shows it at once.

    Args:
        See ``mmengine.hooks.LoggerHook``; ``ignore_last`` and ``interval_exp_name`` have no effect.
    """

    _live: LiveLine | None = None

    def before_run(self, runner: Runner) -> None:
        super().before_run(runner)
        self._training = False
        self._screen = next(
            handler
            for handler in runner.logger.handlers
            if isinstance(handler, logging.StreamHandler) and not isinstance(handler, logging.FileHandler)
        )
        if is_main_process() and self._screen.stream.isatty():
            self._live = LiveLine(self._screen.stream)
            self._screen.setStream(self._live)

    def before_train(self, runner: Runner) -> None:
        self._training = True
        self._first_iter = runner.iter

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        is_logged = self.every_n_train_iters(runner, self.interval) or self.is_last_train_iter(runner)
        if is_logged:
            tag, full_line = runner.log_processor.get_log_after_iter(runner, batch_idx, 'train')
            with self._file_only():
                runner.logger.info(full_line)
            runner.visualizer.add_scalars(tag, step=runner.iter + 1, file_path=self.json_log_path)
        self._show_progress(runner, 'train', batch_idx, is_logged or runner.iter == self._first_iter)

    def after_val_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        with self._file_only():
            super().after_val_iter(runner, batch_idx, data_batch, outputs)
        self._show_progress(runner, 'val', batch_idx, self._is_told(batch_idx))

    def after_test_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        with self._file_only():
            super().after_test_iter(runner, batch_idx, data_batch, outputs)
        self._show_progress(runner, 'test', batch_idx, self._is_told(batch_idx))

    def after_val_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        with self._file_only():
            super().after_val_epoch(runner, metrics)
        if self._training and metrics and 'mIoU' in metrics:
            runner.message_hub.update_info(LAST_SCORE, {'mIoU': float(metrics['mIoU']), 'iter': runner.iter})
        self._show_metrics(runner, 'val', metrics)

    def after_test_epoch(self, runner: Runner, metrics: dict[str, Any] | None = None) -> None:
        if is_main_process():  # in mmengine every process writes the same JSON file, at the same time
            with self._file_only():
                super().after_test_epoch(runner, metrics)
            # the figures alone, without mmengine's times: the same file from every test of the same weights
            dump(metrics or {}, Path(runner.log_dir) / self.json_log_path)
        self._show_metrics(runner, 'test', metrics)

    def after_run(self, runner: Runner) -> None:
        super().after_run(runner)
        self._give_terminal_back()

    def on_exception(self, runner: Runner) -> None:
        """Called by QuietRunner."""
        self._give_terminal_back()

    def _is_told(self, batch_idx: int) -> bool:
        """Whether a validation or test has been silent for so long that it owes a plain line."""
        now = time.monotonic()
        if batch_idx == 0:
            self._told_at = now
        is_told = now - self._told_at >= PLAIN_SECONDS
        if is_told:
            self._told_at = now
        return is_told

    def _give_terminal_back(self) -> None:
        if self._live is not None:
            self._live.leave()
            self._screen.setStream(self._live.stream)
            self._live = None

    @contextlib.contextmanager
    def _file_only(self) -> Iterator[None]:
        """What is logged inside goes to the log file, not to the screen."""
        level = self._screen.level
        self._screen.setLevel(logging.CRITICAL + 1)
        try:
            yield
        finally:
            self._screen.setLevel(level)

    def _screen_only(self, runner: Runner, text: str) -> None:
        """Logs a line to the screen, if its level lets it (it does on rank 0 only), not to the log file."""
        record = runner.logger.makeRecord(runner.logger.name, logging.INFO, __file__, 0, text, (), None)
        if record.levelno >= self._screen.level:
            self._screen.handle(record)

    def _show_progress(self, runner: Runner, mode: str, batch_idx: int, is_logged: bool) -> None:
        done, total = _position(runner, mode, batch_idx)
        if self._live is None:
            if is_logged:
                self._screen_only(runner, ' | '.join(_progress_fields(runner, mode, done, total)))
        elif self._live.is_due() or done == total:
            self._live.draw(_progress_fields(runner, mode, done, total))

    def _show_metrics(self, runner: Runner, mode: str, metrics: dict[str, Any] | None) -> None:
        if self._live is not None:
            self._live.erase()
        title = f'{mode} @ {runner.iter}' if self._training else mode
        self._screen_only(runner, f'{title}: {" | ".join(_metric_fields(runner, mode, metrics or {}))}')


def _position(runner: Runner, mode: str, batch_idx: int) -> tuple[int, int]:
    """Iterations done and to do: of the whole training, or of this pass over the validation or test set."""
    if mode == 'train':
        return runner.iter + 1, runner.max_iters
    return batch_idx + 1, len(getattr(runner, f'{mode}_dataloader'))


def _progress_fields(runner: Runner, mode: str, done: int, total: int) -> list[str]:
    """Position, time left, loss, learning rate, speed and last score; what the run does not measure is left out."""
    scalars, infos = runner.message_hub.log_scalars, runner.message_hub.runtime_info
    window = runner.log_processor.window_size
    fields = [f'{"iter" if mode == "train" else mode} {done:{len(str(total))}}/{total}']
    if 'eta' in infos:
        fields.append(f'eta {datetime.timedelta(seconds=int(infos["eta"]))}')
    if mode == 'train':
        if 'train/loss' in scalars:
            fields.append(f'loss {scalars["train/loss"].mean(window):.4f}')
        # The optimiser's own rate, if it has one: the first group's may be scaled by `paramwise_cfg`.
        rate = scalars.get('train/base_lr', scalars.get('train/lr'))
        if rate is not None:
            fields.append(f'lr {rate.current():.1e}')
    if f'{mode}/time' in scalars:
        seconds, waiting = (scalars[f'{mode}/{name}'].mean(window) for name in ('time', 'data_time'))
        fields.append(f'{seconds:.2f} s/iter (data {waiting:.2f})')
    if mode == 'train':
        score = infos.get(LAST_SCORE)
        fields.append('mIoU -' if score is None else f'mIoU {score["mIoU"]:.2f} @ {score["iter"]}')
    return fields


def _metric_fields(runner: Runner, mode: str, metrics: dict[str, Any]) -> list[str]:
    """Every scalar metric with two decimals, mIoU first, and the images per second of the whole set."""
    names = sorted((name for name, value in metrics.items() if isinstance(value, Number)), key=lambda n: n != 'mIoU')
    fields = [f'{name} {metrics[name]:.2f}' for name in names]
    timer = runner.message_hub.log_scalars.get(f'{mode}/time')
    if timer is not None:
        loader = getattr(runner, f'{mode}_dataloader')
        fields.append(f'{len(loader.dataset) / (timer.mean(len(loader)) * len(loader)):.1f} img/s')
    return fields
