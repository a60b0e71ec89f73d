"""What is kept of a finished run: a small file that a report is made from, and that belongs under version control."""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.fileio import put
from mmseg.registry import MODELS

from scaseg.apis.config import load_config
from scaseg.benchmarking.complexity import count_complexity
from scaseg.benchmarking.timing import circumstances, library_versions
from scaseg.errors import UserError
from scaseg.visualization import Scalars, read_scalars

from .runs import Run

CLASS_PREFIX = 'IoU/'
TIMES = ('time', 'data_time')


@dataclass(frozen=True)
class RunResult:
    """Figures of one training; scores are in percent.

    Attributes:
        variant: what was trained.
        seed: its random seed.
        config: config file.
        options: changes to it, by dotted key.
        config_hash: SHA-256 of the resolved config; empty for a work folder that no sweep made.
        figures: of the last validation: mIoU, mAcc, …
        best: iteration and mIoU of the best validation, which was chosen on the data that it is scored on.
        class_iou: IoU of each class at the last validation.
        curve: mIoU of each validation by iteration.
        seconds: of training: iterations times the mean of the logged seconds of one.
        cost: parameters and macs of the model, at the size ``shape`` of the crop.
        circumstances: commit, day, machine, threads, versions.
    """

    variant: str
    seed: int
    config: str
    options: dict[str, Any]
    config_hash: str
    figures: dict[str, float]
    best: dict[str, float]
    class_iou: dict[str, float]
    curve: dict[str, float]
    seconds: float
    cost: dict[str, Any]
    circumstances: dict[str, Any]

    def save(self, path: Path) -> None:
        """Write it as JSON, whole or not at all."""
        content = json.dumps(asdict(self), indent=1) + '\n'
        put(content.encode(), str(path), backend_args=dict(backend='atomic'))


def measure_result(run: Run) -> RunResult:
    """The result of a training that has ended."""
    cfg = load_config(run.config, run.options)
    scores = _scores(read_scalars(run.folder), run.max_iters)
    here = circumstances(torch.device('cuda' if torch.cuda.is_available() else 'cpu')) | library_versions()
    return RunResult(
        run.variant, run.seed, run.config, run.options, run.config_hash, **scores, cost=_cost(cfg), circumstances=here
    )


def read_results(folder: Path) -> list[RunResult]:
    """The results that a sweep has written into a folder, by variant and seed.

    Raises:
        UserError: a result file is damaged.
    """
    results = []
    for path in sorted(folder.glob('*_seed*.json')):
        try:
            results.append(RunResult(**json.loads(path.read_text())))
        except (ValueError, TypeError) as error:
            raise UserError(
                f'{path}: not a result of a sweep ({error}); delete it and start the sweep again'
            ) from None
    return sorted(results, key=lambda result: (result.variant, result.seed))


def read_work_folder(folder: Path, variant: str) -> RunResult:
    """The result of a training that no sweep started, from its logs and the config beside them.

    Raises:
        UserError: the folder holds no log of a validation, or no config.
    """
    scalars = read_scalars(folder)
    configs = sorted(folder.glob('*.py'))
    if not configs:
        raise UserError(f'{folder}: no config (*.py) beside the logs: a training writes one into its work folder')
    cfg = load_config(configs[0])
    seed = (cfg.get('randomness') or {}).get('seed')
    if seed is None:
        raise UserError(
            f'{configs[0]}: randomness.seed: a comparison pairs trainings by their seed, and it is not set'
        )
    if 'mIoU' not in scalars.val:
        raise UserError(f'{folder}: no validation in the logs, so there is no mIoU to compare')
    scores = _scores(scalars, int(scalars.val['mIoU'].steps[-1]))
    return RunResult(variant, seed, str(configs[0]), {}, '', **scores, cost=_cost(cfg), circumstances={})


def _scores(scalars: Scalars, iteration: int) -> dict[str, Any]:
    curve = scalars.val['mIoU']
    if curve.steps[-1] != iteration:
        raise UserError(f'the last validation was after iteration {curve.steps[-1]}, the training has {iteration}')
    last = {name: float(values.values[-1]) for name, values in scalars.val.items() if values.steps[-1] == iteration}
    best = int(curve.values.argmax())
    times = scalars.train['time'].values.tolist() if 'time' in scalars.train else []
    return {
        'figures': {name: value for name, value in last.items() if '/' not in name and name not in TIMES},
        'class_iou': {n.removeprefix(CLASS_PREFIX): v for n, v in last.items() if n.startswith(CLASS_PREFIX)},
        'best': {'iteration': int(curve.steps[best]), 'mIoU': float(curve.values[best])},
        'curve': {str(step): float(value) for step, value in zip(curve.steps, curve.values, strict=True)},
        'seconds': round(iteration * sum(times) / len(times), 1) if times else 0.0,
    }


def image_shape(cfg: Config) -> tuple[int, int]:
    """(H, W) of the crops that a config trains on, at which costs are counted and measured."""
    size: Sequence[int] = cfg.get('crop_size') or cfg.model.data_preprocessor.size
    return size[0], size[1]


def _cost(cfg: Config) -> dict[str, Any]:
    complexity = count_complexity(MODELS.build({**cfg.model, 'pretrained': None}), image_shape(cfg))
    return {
        'shape': list(complexity.shape),
        'parameters': complexity.parameters['model'],
        'macs': complexity.macs['model'],
        'head parameters': complexity.parameters['head'],
        'head macs': complexity.macs['head'],
    }
