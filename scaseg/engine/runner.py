"""mmengine's Runner with a terminal that stays readable."""

import contextlib
from collections.abc import Iterator

from mmengine.logging import MMLogger
from mmengine.runner import Runner
from mmseg.registry import RUNNERS
from torch import nn

from scaseg.quiet import quiet_logger


@RUNNERS.register_module()
class QuietRunner(Runner):
    """Runner that writes the environment, the whole config and the order of the hooks to the log file only.

    They are logged while the Runner is being built: too early for a hook, so the filters come with the logger.

    Hooks with a method ``on_exception(runner)`` are told of an exception, Ctrl-C included, before it goes its way:
    what is printed about it should not be appended to a live line.
    """

    def dump_config(self) -> None:
        """Write the config into the work folder before a training; a test has cut it down and keeps it to itself."""
        if self.cfg.get('train_cfg') is not None:
            super().dump_config()

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        quiet_logger(logger)
        logger.info(f'Environment, config and full log: {logger.log_file}')
        return logger

    def train(self) -> nn.Module:
        with self._exceptions_told():
            return super().train()

    def val(self) -> dict:
        with self._exceptions_told():
            return super().val()

    def test(self) -> dict:
        with self._exceptions_told():
            return super().test()

    @contextlib.contextmanager
    def _exceptions_told(self) -> Iterator[None]:
        try:
            yield
        except BaseException:
            self.call_hook('on_exception')
            raise
