"""The runs of a sweep: what each trains, where its files lie, how far it has come."""

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmseg.registry import MODELS

from scaseg.apis.checks import check_data, check_device
from scaseg.apis.config import load_config
from scaseg.errors import UserError

from .spec import SweepSpec, Variant

# Keys of a config that say where a run lies or how it was started, not what it computes.
CIRCUMSTANTIAL = ('work_dir', 'launcher', 'experiment_name', 'load_from', 'resume', 'log_level', 'visualizer')
METRIC = 'ConfusionMetric'
CONFIG_FILE = 'config.json'  # in the folder of a run: its resolved config


class State(StrEnum):
    """How far a run has come, as its files tell."""

    DONE = 'done'
    FAILED = 'failed'
    INTERRUPTED = 'interrupted'
    WAITING = 'waiting'


@dataclass(frozen=True)
class Run:
    """One training of a sweep.

    Attributes:
        sweep: name of the sweep file.
        variant: name of the variant.
        seed: random seed.
        config: config file.
        options: changes to it, by dotted key, the seed among them.
        config_hash: SHA-256 of the resolved config.
        max_iters: iterations it trains for.
        metric_key: dotted key of the metric that keeps the matrix of each image.
        folder: its checkpoints and logs.
        result: file with its figures; it exists once the run is finished.
    """

    sweep: str
    variant: str
    seed: int
    config: str
    options: dict[str, Any]
    config_hash: str
    max_iters: int
    metric_key: str
    folder: Path
    result: Path

    @property
    def name(self) -> str:
        return self.folder.name

    @property
    def matrices(self) -> Path:
        """File with the confusion matrix of each validation image at the end of the training."""
        return self.result.with_suffix('.npz')

    @property
    def failure(self) -> Path:
        """File with the error of a run that failed."""
        return self.folder / 'failed.txt'

    def save(self, path: Path) -> None:
        """Write it as JSON, for the process that trains it."""
        content = asdict(self) | {'folder': str(self.folder), 'result': str(self.result)}
        path.write_text(json.dumps(content, indent=1))

    @classmethod
    def load(cls, path: Path) -> 'Run':
        """What ``save`` wrote."""
        content = json.loads(path.read_text())
        return cls(**content | {'folder': Path(content['folder']), 'result': Path(content['result'])})

    @property
    def state(self) -> State:
        if self.result.exists():
            return State.DONE
        if self.failure.exists():
            return State.FAILED
        return State.INTERRUPTED if self.folder.exists() else State.WAITING


def plan_runs(spec: SweepSpec, work_dir: Path, results: Path) -> list[Run]:
    """All runs of a sweep, those of the first seed first, so that a part of a sweep is made of whole comparisons.

    Args:
        spec: the sweep.
        work_dir: folder for a folder of checkpoints and logs for each run.
        results: folder for a result file of each run; may be ``work_dir``.

    Raises:
        UserError: a config does not load, a key has no reader, a model cannot be built, data are not there, two
            variants are the same training, or a run of the same name and another config lies in one of the folders.
    """
    plans = {name: _resolve(spec, name, variant) for name, variant in spec.variants.items()}
    _refuse_twins(spec, plans)
    runs = [
        _plan(spec, name, cfg, metric_key, seed, work_dir, results)
        for seed in spec.seeds
        for name, (cfg, metric_key) in plans.items()
    ]
    for run in runs:
        _refuse_changed(run, work_dir, results)
    return runs


def resolved(cfg: Config) -> dict[str, Any]:
    """All of a config that decides what a training computes, as JSON holds it."""
    content = {key: value for key, value in cfg.to_dict().items() if key not in CIRCUMSTANTIAL}
    return json.loads(json.dumps(content, sort_keys=True, default=str))


def _resolve(spec: SweepSpec, name: str, variant: Variant) -> tuple[Config, str]:
    """The checked config of a variant with what a sweep adds to it, and the key of its metric."""
    try:
        cfg = load_config(variant.config, variant.options)
        metric_key = _metric_key(cfg)
        cfg.merge_from_dict(_added_options(metric_key))
        cfg.launcher = 'none'
        check_device(cfg)
        check_data(cfg, ['train_dataloader', 'val_dataloader'])
        _check_model(cfg)
    except UserError as error:
        raise UserError(f'{spec.path}: variants.{name}: {error}') from error
    return cfg, metric_key


def _metric_key(cfg: Config) -> str:
    if 'max_iters' not in cfg.get('train_cfg', {}):
        raise UserError(f'{cfg.filename}: a sweep needs train_cfg.max_iters')
    evaluator = cfg.get('val_evaluator')
    several = isinstance(evaluator, list)
    for index, metric in enumerate(evaluator if several else [evaluator or {}]):
        if metric.get('type') == METRIC:
            return f'val_evaluator.{index}' if several else 'val_evaluator'
    raise UserError(f'{cfg.filename}: val_evaluator: a sweep needs a {METRIC}')


def _added_options(metric_key: str) -> dict[str, Any]:
    """What a comparison asks for: tensors of one name start alike in all variants, and classes have figures."""
    return {'paired_init': True, f'{metric_key}.per_class': True, f'{metric_key}.class_table': False}


def _check_model(cfg: Config) -> None:
    try:
        MODELS.build({**cfg.model, 'pretrained': None})
    except UserError:
        raise
    except Exception as error:  # what a wrong value raises is up to the class that gets it
        raise UserError(f'{cfg.filename}: {type(error).__name__}: {error}') from error


def _refuse_twins(spec: SweepSpec, plans: dict[str, tuple[Config, str]]) -> None:
    seen: dict[str, str] = {}
    for name, (cfg, _) in plans.items():
        twin = seen.setdefault(hash_config(cfg), name)
        if twin != name:
            raise UserError(f'{spec.path}: variants.{name} changes nothing: it is the same training as {twin}')


def _plan(spec: SweepSpec, name: str, cfg: Config, metric_key: str, seed: int, work_dir: Path, results: Path) -> Run:
    variant = spec.variants[name]
    options = {**variant.options, **_added_options(metric_key), 'randomness.seed': seed}
    seeded = cfg.copy()
    seeded.merge_from_dict({'randomness.seed': seed})
    config_hash = hash_config(seeded)
    label = f'{name}_seed{seed}_{config_hash[:8]}'
    folder, result = work_dir / label, results / f'{label}.json'
    max_iters = cfg.train_cfg.max_iters
    return Run(spec.name, name, seed, variant.config, options, config_hash, max_iters, metric_key, folder, result)


def hash_config(cfg: Config) -> str:
    """SHA-256 of the resolved config."""
    return hashlib.sha256(json.dumps(resolved(cfg), sort_keys=True).encode()).hexdigest()


def _refuse_changed(run: Run, work_dir: Path, results: Path) -> None:
    pattern = f'{run.variant}_seed{run.seed}_' + '[0-9a-f]' * 8
    others = {*work_dir.glob(pattern), *results.glob(f'{pattern}.json')}
    for other in sorted(others):
        label = other.name.removesuffix('.json')
        if label != run.name:
            raise UserError(
                f'{run.variant} with seed {run.seed} was started with another config{_difference(label, run)}: '
                f'see {other}; give the variant a new name, or move or delete the files of that run'
            )


def _difference(label: str, run: Run) -> str:
    """Keys in which the config of an earlier run differs, where that run left its config."""
    path = run.folder.parent / label / CONFIG_FILE
    if not path.is_file():
        return ''
    cfg = load_config(run.config, run.options)
    before, now = (dict(_leaves('', tree)) for tree in (json.loads(path.read_text()), resolved(cfg)))
    changed = [key for key in sorted(before.keys() | now.keys()) if before.get(key) != now.get(key)]
    return f' ({", ".join(changed[:4])}{", …" if len(changed) > 4 else ""})' if changed else ''


def _leaves(key: str, node: Any) -> Iterable[tuple[str, Any]]:
    if isinstance(node, dict) and node:
        for name, child in node.items():
            yield from _leaves(f'{key}.{name}'.lstrip('.'), child)
    elif isinstance(node, list) and any(isinstance(child, dict) for child in node):
        for index, child in enumerate(node):
            yield from _leaves(f'{key}.{index}', child)
    else:
        yield key, node
