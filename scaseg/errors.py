"""The one kind of error that a user can mend, and the commonest reason for it."""

import os
from pathlib import Path


class UserError(Exception):
    """Bad input: a config, a file or a flag that the user can put right.

    The message is complete by itself: it names the file or the key, says what is wrong with it and what to do. The
    command line tools print it without a traceback and exit with status 2; every other exception is a defect and keeps
    its traceback. It takes the message alone, so that it survives the way out of a data loader's worker process.
    """


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
