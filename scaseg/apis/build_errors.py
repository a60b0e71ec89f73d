"""What fails while a config is built is an error of the config, and names the key that was being built."""

import contextlib
import traceback
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any

from mmengine.config import Config
from mmengine.registry import build_from_cfg
from mmengine.runner import Runner

from scaseg.errors import UserError

from .config_readers import dicts


@contextlib.contextmanager
def errors_named(cfg: Config, otherwise: str | None = None) -> Iterator[None]:
    """Turn exceptions of what a registry builds inside the context into one line that names the key.

    Args:
        cfg: the whole config.
        otherwise: what to name where no key is found; ``None`` lets such exceptions pass.

    Raises:
        UserError: names the file, the key, and the place in the code that found the fault.
    """
    content = cfg.to_dict()  # before anything is built: builders take entries out
    try:
        yield
    except UserError as error:
        key = key_being_built(content, error.__traceback__)
        if key is None or key in str(error):
            raise
        raise UserError(f'{key}: {error}') from error
    except Exception as error:  # what a wrong value in a config raises is up to the class that gets it
        key = key_being_built(content, error.__traceback__) or otherwise
        if key is None:
            raise
        raise UserError(f'{cfg.filename}: {key}: {_describe(error)}') from error


@contextlib.contextmanager
def first_step_named(runner: Runner) -> Iterator[None]:
    """Turn an exception of the first training step into one line, and keep its traceback in a file.

    Nothing has been learnt yet, and what fails there is nearly always a config: shapes and types that do not fit.

    Args:
        runner: about to train, from iteration 0 or from a checkpoint; a resumed training has made its first step.

    Raises:
        UserError: names the config, the place in the code that found the fault, and the file with the traceback.
    """
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        if runner.iter > 0:
            raise
        file = Path(runner.log_dir) / 'traceback.txt'
        file.write_text(traceback.format_exc(), encoding='utf-8')
        raise UserError(
            f'{runner.cfg.filename}: the first training step fails with these settings: {_describe(error)}; traceback '
            f'in {file}'
        ) from error


def _describe(error: Exception) -> str:
    frame = traceback.extract_tb(error.__traceback__)[-1]
    text = str(error).strip()
    text = text.splitlines()[-1] if 'Traceback' in text else text  # handed on by a data loader's worker
    return f'{type(error).__name__}: {text} (raised in {frame.filename}:{frame.lineno})'


def key_being_built(content: dict[str, Any], trace: TracebackType | None) -> str | None:
    """The innermost dotted key that a registry was building when an exception was raised.

    mmengine's builder knows the dict that it builds, and not where in the config that stands: each call of the builder
    in the traceback is looked up inside the one before it, else in the whole config (a loop builds its data).

    Returns:
        The key; ``None`` where nothing of the config was being built.
    """
    key = None
    node: Any = content
    for frame, _ in traceback.walk_tb(trace):
        if frame.f_code is not build_from_cfg.__code__:
            continue
        built = frame.f_locals['cfg']
        inside = _most_alike(built, dicts(key or '', node), node)
        key, node = inside or _most_alike(built, dicts('', content), node) or (key, node)
    return key


def _most_alike(built: Any, places: Iterable[tuple[str, dict]], outer: Any) -> tuple[str, dict] | None:
    """The dict of the config with the type of what is built, and the most entries in common: builders change some."""
    same_type = [place for place in places if place[1] is not outer and place[1].get('type', 0) == built.get('type')]
    return max(same_type, default=None, key=lambda place: sum(built.get(k, place) == v for k, v in place[1].items()))
