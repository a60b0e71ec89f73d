"""Writing checkpoints so that a killed process never leaves half of one under its name."""

import os
from pathlib import Path

from mmengine.fileio import LocalBackend, register_backend


@register_backend('atomic')
class AtomicLocalBackend(LocalBackend):
    """Local files that appear complete or not at all.

    The checkpoint hook writes over the file that a resume would read; mmengine's own backend opens that file and
    writes into it. Used by ``CheckpointHook(backend_args=dict(backend='atomic'))``.
    """

    def put(self, obj: bytes, filepath: str | Path) -> None:
        """Write ``obj`` beside ``filepath``, then rename it."""
        partial = Path(f'{filepath}.{os.getpid()}.partial')
        try:
            super().put(obj, partial)
            partial.replace(filepath)
        finally:
            partial.unlink(missing_ok=True)  # left over where the disk is full
