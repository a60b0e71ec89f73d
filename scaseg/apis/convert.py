"""Official checkpoints into ours, as ``tools/weights/convert.py`` does it."""

import io
from pathlib import Path

import torch
from mmseg.registry import MODELS

from scaseg.engine import AtomicLocalBackend
from scaseg.errors import UserError
from scaseg.weights.official import convert_official
from scaseg.weights.store import sha256_of

from .config import load_config


def convert(config: str | Path, source: str | Path, out: str | Path) -> None:
    """Write a checkpoint for the model of a config, with the weights that the authors of its method publish.

    It holds ``state_dict`` and ``meta``: the name of the ``source`` file, its ``sha256`` and ``cfg``, the config.

    Args:
        config: config file of the same method and size.
        source: official checkpoint of the whole segmentor.
        out: file to write, ``*.pth``; it must not exist.

    Raises:
        UserError: ``out`` exists or cannot be written, or the checkpoint does not fit the model to the last tensor.
    """
    source, out = Path(source), Path(out)
    if out.exists():
        raise UserError(f'{out} exists already; delete it, or give another name')
    cfg = load_config(config)
    cfg.model.pretrained = None  # the checkpoint holds the encoder
    weights = convert_official(MODELS.build(cfg.model), source)
    meta = dict(source=source.name, sha256=sha256_of(source), cfg=cfg.pretty_text)
    content = io.BytesIO()
    torch.save(dict(meta=meta, state_dict=weights), content)
    AtomicLocalBackend().put(content.getvalue(), out)
