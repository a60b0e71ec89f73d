"""Where half precision is not enough."""

from contextlib import AbstractContextManager, nullcontext

import torch


def no_autocast(device_type: str) -> AbstractContextManager[object]:
    """Autocast off for a device, whatever surrounds it; nothing on ``'meta'``, which knows no autocast."""
    if torch.amp.is_autocast_available(device_type):
        return torch.autocast(device_type, enabled=False)
    return nullcontext()
