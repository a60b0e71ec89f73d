"""Writing checkpoints so that a killed process never leaves half of one under its name."""

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend

from scaseg.errors import UserError


@register_backend('atomic')
class AtomicLocalBackend(LocalBackend):
    """Local files that appear complete or not at all.

    The checkpoint hook writes over the file that a resume would read; mmengine's own backend opens that file and
    writes into it. Used by ``CheckpointHook(backend_args=dict(backend='atomic'))``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` beside ``filepath``, then rename it.

        Raises:
            UserError: the disk is full, or the folder cannot be written. What was there before is whole.
        """
        filepath = Path(filepath)
        partial = Path(f'{filepath}.{os.getpid()}.partial')
        try:
            filepath.parent.mkdir(parents=True, exist_ok=True)
            try:
                with partial.open('wb') as file:
                    file.write(obj)
                    file.flush()
                    os.fsync(file.fileno())  # the content reaches the disk before the name does
                partial.replace(filepath)
            finally:
                partial.unlink(missing_ok=True)
        except OSError as error:
            raise UserError(
                f'{filepath} cannot be written ({error.strerror}); free some space or make the folder writable. '
                'Checkpoints before it are whole'
            ) from error
