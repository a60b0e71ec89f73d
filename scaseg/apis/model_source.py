"""MODEL, as every command line after training takes it: a run's folder, an exported model's, or CONFIG CHECKPOINT."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from mmengine.config import Config

from scaseg.errors import UserError

from .checkpoint import find_resumable
from .config import load_config

EXPORTED_CONFIG, EXPORTED_WEIGHTS = 'config.json', 'model.safetensors'
MODEL_HELP = (
    "a run's folder (its best checkpoint, else the latest, and the config stored there), an exported model's folder, "
    'or CONFIG CHECKPOINT'
)


def resolve_model(
    model: str | Path, checkpoint: str | Path | None = None, options: dict[str, Any] | None = None
) -> tuple[Config, Path]:
    """Find the config and the checkpoint behind MODEL.

    Args:
        model: a run's folder, an exported model's folder, or a config file.
        checkpoint: file with the weights; required with a config file, and in place of the folder's own with a folder.
        options: changes to the config, by dotted key.

    Returns:
        The checked config and the path of the checkpoint, which is not read.

    Raises:
        UserError: nothing lies at ``model``, it is neither kind of folder, the folder holds no checkpoint or several
            configs, the config has a fault, or a file is missing.
    """
    path = Path(model)
    if path.is_dir():
        is_exported = (path / EXPORTED_CONFIG).is_file() or (path / EXPORTED_WEIGHTS).is_file()
        config, weights = _exported_model(path) if is_exported else _run(path, checkpoint is None)
    elif not path.is_file():
        raise UserError(f"{model}: no such file or folder; give a run's folder, or a config and a checkpoint")
    elif path.suffix in ('.pth', '.pt', '.safetensors'):
        raise UserError(f"{model} holds weights alone: give the run's folder ({path.parent}), or CONFIG CHECKPOINT")
    elif checkpoint is None:
        raise UserError(f"{model}: a config needs a checkpoint beside it; give one, or the run's folder in its place")
    else:
        config, weights = path, Path(checkpoint)
    if checkpoint is not None:
        weights = Path(checkpoint)
    if not weights.is_file():
        raise UserError(f'{weights}: no such checkpoint')
    return load_config(config, options), weights


def split_model(words: Sequence[str]) -> tuple[str, str | None, list[str]]:
    """Part the words of a command line into MODEL, which takes one or two of them, and what follows.

    Returns:
        Folder or config, the checkpoint beside a config, and the words behind.

    Raises:
        UserError: there are no words.
    """
    if not words:
        raise UserError(f'MODEL is missing: {MODEL_HELP}')
    if Path(words[0]).is_file() and len(words) > 1:
        return words[0], words[1], list(words[2:])
    return words[0], None, list(words[1:])


def _run(folder: Path, needs_checkpoint: bool) -> tuple[Path, Path]:
    configs = sorted(folder.glob('*.py'))
    if len(configs) > 1:
        names = ', '.join(path.name for path in configs)
        raise UserError(f'{folder} holds several configs ({names}): give the one to use and a checkpoint')
    if not configs:
        runs = sorted(path.parent.name for path in folder.glob('*/*.py'))
        hint = f'; folders in it that look like one: {", ".join(runs[:5])}' if runs else ''
        raise UserError(
            f"{folder} is not a run's folder (it holds no config *.py) and not an exported model's "
            f'(no {EXPORTED_CONFIG}){hint}'
        )
    best = max(folder.glob('best_*.pth'), key=lambda path: path.stat().st_mtime, default=None)
    weights = best or (find_resumable(folder) if needs_checkpoint else None)
    if weights is None and needs_checkpoint:
        raise UserError(f'{folder} holds no checkpoint (best_*.pth, iter_*.pth, epoch_*.pth); name one')
    return configs[0], weights or folder


def _exported_model(folder: Path) -> tuple[Path, Path]:
    config, weights = folder / EXPORTED_CONFIG, folder / EXPORTED_WEIGHTS
    for path in (config, weights):
        if not path.is_file():
            raise UserError(f'{folder} is not a whole exported model: {path.name} is missing')
    return config, weights
