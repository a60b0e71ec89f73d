"""The one kind of error that a user can mend, the commonest reason for it, and the end of a training by a signal."""

import errno
import os
from pathlib import Path


class UserError(Exception):
    """Bad input: a config, a file or a flag that the user can put right.

    The message is complete by itself: it names the file or the key, says what is wrong with it and what to do. The
    command line tools print it without a traceback and exit with status 2; every other exception is a defect and keeps
    its traceback. It takes the message alone, so that it survives the way out of a data loader's worker process.
    """


class Stopped(Exception):  # noqa: N818 (no error: the training is saved)
    """A training that a signal has ended behind a whole step, saved.

    Attributes:
        exit_code: of the process: ``TRY_AGAIN``, by which a cluster's script knows to start it again with
            ``--resume``, or 130 after Ctrl-C, as shells have it.
    """

    TRY_AGAIN = 75  # EX_TEMPFAIL of sysexits.h

    def __init__(self, message: str, exit_code: int) -> None:
        super().__init__(message)
        self.exit_code = exit_code


def folder_problem(folder: Path) -> str | None:
    """Why no files can be written into a folder, which may not exist yet; ``None`` where they can. Makes nothing."""
    folder = folder.absolute()
    try:
        if folder.exists():
            exists = folder
        else:
            exists = next(path for path in (folder, *folder.parents) if os.path.lexists(path))
        if not exists.is_dir():
            return f'{exists} is no folder'
    except (OSError, ValueError) as error:  # a name that is too long, or a folder that must not be looked into
        return getattr(error, 'strerror', None) or str(error)
    return None if os.access(exists, os.W_OK | os.X_OK) else f'{exists} cannot be written'


def machine_problem(error: BaseException, folder: str) -> str | None:
    """What a machine that ran out of something has to say for itself; ``None`` for any other error.

    Args:
        error: that ended a run.
        folder: that the run writes into.
    """
    if isinstance(error, OSError) and error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EFBIG):
        return f'{error.filename or folder} cannot be written ({error.strerror}); its checkpoints are whole: --resume'
    text = str(error) if isinstance(error, RuntimeError) else ''
    if 'unable to allocate shared memory' in text or ('DataLoader worker' in text and 'Bus error' in text):
        return (
            'a data loader worker died for want of shared memory: enlarge /dev/shm (docker run --shm-size=8g), or set '
            'train_dataloader.num_workers and val_dataloader.num_workers to 0, then --resume'
        )
    return None
