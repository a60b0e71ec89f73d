"""Weights of timm's models under timm's own names, from a local folder, timm's cache or its hub."""

import difflib
from pathlib import Path

import timm
from timm.models import get_pretrained_cfg

from ..errors import UserError
from .checkpoint_file import read_checkpoint
from .layouts import StateDict
from .store import SUFFIXES, search_folders

PREFIX = 'timm/'


def read_timm_weights(name: str) -> tuple[str, StateDict]:
    """Read the weights of a whole timm model.

    Args:
        name: ``timm/MODEL`` or ``timm/MODEL.TAG``, as ``timm.list_models(pretrained=True)`` lists them. Without a tag
            timm takes the model's preferred weights.

    Returns:
        Where the weights come from, and the tensors by timm's names. A file ``MODEL.TAG.safetensors`` (or ``.pth``)
        in one of the folders of ``search_folders`` comes first; else timm looks into its cache, then asks its hub.

    Raises:
        UserError: timm knows no such weights, or they are neither on this machine nor to be had.
    """
    model = name.removeprefix(PREFIX)
    about = get_pretrained_cfg(model) if timm.is_model_pretrained(model) else None
    if about is None:
        close = difflib.get_close_matches(model, timm.list_models(pretrained=True), n=3)
        raise UserError(
            f'pretrained={name!r}: timm has no weights of this name'
            + (f'; close: {", ".join(PREFIX + other for other in close)}' if close else '')
        )
    if file := _local_file(model):
        return str(file), read_checkpoint(file)
    origin = about.hf_hub_id or about.url
    try:
        return f'timm ({origin})', timm.create_model(model, pretrained=True).state_dict()
    except Exception as error:  # the hub's client has a class of its own for each way a download can fail
        page = f'https://huggingface.co/{origin}' if about.hf_hub_id else origin
        first_line = (str(error).splitlines() or [type(error).__name__])[0]
        raise UserError(
            f'pretrained={name!r}: the weights are not on this machine and cannot be fetched ({first_line}). By hand: '
            f'save model.safetensors from {page} as {search_folders()[0] / f"{model}.safetensors"}'
        ) from error


def _local_file(model: str) -> Path | None:
    candidates = (folder / f'{model}{suffix}' for folder in search_folders() for suffix in SUFFIXES)
    return next((path for path in candidates if path.is_file()), None)
