"""Keeps harmless noise of the libraries away from the user, one message at a time.

Every pattern here names one message that was seen in a real run and says why nobody misses it. Whatever is not named
here is shown. No mm package is imported at module level: `quiet_dependencies` has to run before they are.
"""

import contextlib
import io
import logging
import re
import warnings

# Not worth a line anywhere: the same facts are in the config, once instead of once per parameter.
_PER_PARAMETER = (
    r'paramwise_options -- ',  # learning rate and weight decay of each parameter, from the optimiser constructor
    r'\n\S+ - torch\.Size\(.*\): \n',  # how each parameter was initialised, from `BaseModule.init_weights`
)

# Worth keeping in the log file, but not between the user and the first iteration.
_FOR_THE_FILE = (
    r'\n-+\nSystem environment:',
    r'Config:\n',
    r'Hooks will be executed in the following order:\n',
    r'Distributed training is not used, all SyncBatchNorm',  # one process: the two are the same
    r'"FileClient" will be deprecated',  # mmengine's CheckpointHook about mmengine's own code
    r'"HardDiskBackend" is the alias',  # the same
)


class DropRecords(logging.Filter):
    """Keeps records away from a handler whose message begins with one of the patterns.

    Args:
        patterns: regular expressions, matched at the beginning of the formatted message.
    """

    def __init__(self, patterns: tuple[str, ...]) -> None:
        super().__init__()
        self._pattern = re.compile('|'.join(patterns))

    def filter(self, record: logging.LogRecord) -> bool:
        return self._pattern.match(record.getMessage()) is None


def quiet_logger(logger: logging.Logger) -> None:
    """Filters what a logger's handlers show: no line per parameter, and the long dumps in the log file only.

    The environment, the config and the order of the hooks are logged while a Runner is being built, and the
    optimiser's lines when training begins: call this as soon as the logger exists, as `QuietRunner` does.
    """
    for handler in logger.handlers:
        handler.addFilter(DropRecords(_PER_PARAMETER))
        if not isinstance(handler, logging.FileHandler):
            handler.addFilter(DropRecords(_FOR_THE_FILE))


def quiet_dependencies() -> None:
    """Imports mmseg without its harmless messages; call it before anything else imports mmcv or mmseg.

    Raises:
        ImportError: mmseg or something it needs is not installed.
    """
    # An operator compiled in the full mmcv only; nothing in scaseg uses it.
    warnings.filterwarnings(
        'ignore', r'Fail to import ``MultiScaleDeformableAttention``', UserWarning, r'mmcv\.cnn\.bricks\.transformer'
    )
    # Said of a default, even to those who chose it by setting the option to False; nearly all mmseg configs have it.
    warnings.filterwarnings(
        'ignore', r'Default ``avg_non_ignore`` is False', UserWarning, r'mmseg\.models\.losses\.cross_entropy_loss'
    )
    # One thread per process in distributed runs, mmengine's default; the first line of every process otherwise.
    warnings.filterwarnings('ignore', r'Setting (OMP|MKL)_NUM_THREADS environment variable', UserWarning)
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            import mmseg.datasets  # noqa: F401
    finally:
        for line in printed.getvalue().splitlines():
            # A client of a commercial data service, which mmseg looks for and reports missing by a bare `print`.
            if line != 'Could not import OneDL':
                print(line)
