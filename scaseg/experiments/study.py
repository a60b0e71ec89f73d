"""All results of a comparison, and what follows from them: the rows of every table and plot of a report."""

import json
import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import yaml

from scaseg.apis.config_keys import suggest
from scaseg.errors import UserError
from scaseg.evaluation import ImageMatrices, load_image_matrices

from .image_statistics import ImageInterval, compare_images, image_miou
from .results import RunResult, read_results, read_work_folder
from .statistics import Comparison, compare, is_best

COSTS_FILE = 'costs.json'
SWEEP_FILE = 'sweep.yaml'
SEED_SUFFIX = re.compile(r'[-_.](seed[-_.]?)?\d+$')  # of a work folder: work_dirs/a-0, work_dirs/a_seed1


@dataclass(frozen=True)
class Study:
    """Trainings by variant and seed.

    Attributes:
        name: of the sweep, or of the folder that holds it.
        baseline: variant that all others are compared with.
        results: variant -> seed -> result; the baseline first, then as the sweep file names them.
        matrices: variant -> seed -> confusion matrices of the validation images, where they were kept.
        costs: variant -> latency and peak memory, where they were measured.
    """

    name: str
    baseline: str
    results: dict[str, dict[int, RunResult]]
    matrices: dict[str, dict[int, ImageMatrices]] = field(default_factory=dict)
    costs: dict[str, dict[str, Any]] = field(default_factory=dict)

    def scores(self, figure: str = 'mIoU') -> dict[str, dict[int, float]]:
        """Variant -> seed -> a figure of the last validation."""
        return {
            variant: {seed: result.figures[figure] for seed, result in runs.items()}
            for variant, runs in self.results.items()
        }

    @property
    def variants(self) -> list[str]:
        return list(self.results)

    @property
    def others(self) -> list[str]:
        """All variants but the baseline."""
        return [variant for variant in self.results if variant != self.baseline]

    @property
    def provenance(self) -> dict[str, str]:
        """Commits, days, machines and versions that the results come from; several where they differ."""
        runs = [result for by_seed in self.results.values() for result in by_seed.values()]
        keys = dict.fromkeys(key for run in runs for key in run.circumstances)
        known = {
            key: sorted({str(run.circumstances[key]) for run in runs if key in run.circumstances}) for key in keys
        }
        hashes = [run.config_hash[:8] for run in runs if run.config_hash]
        known |= {'config hashes': hashes} if hashes else {}
        return {key: ', '.join(values) for key, values in known.items()}


@dataclass(frozen=True)
class Row:
    """A line of the report's main table.

    Attributes:
        variant: its name.
        scores: mIoU in percent by seed.
        mean: over seeds.
        deviation: standard deviation over seeds; NaN with less than two.
        comparison: with the baseline over seeds; ``None`` for the baseline.
        images: with the baseline over images; ``None`` for the baseline, or where no matrices were kept.
        per_image: mean over images of the mIoU of each; NaN where no matrices were kept.
        is_best: distinguishably better than every other variant.
        parameters: of the model, in millions.
        gmacs: multiply-accumulates of one image in 10⁹.
        latency: milliseconds of one image, median; NaN where it was not measured.
        peak: MiB of tensors of one image; NaN where it was not measured.
        minutes: of training, mean over seeds.
    """

    variant: str
    scores: dict[int, float]
    mean: float
    deviation: float
    comparison: Comparison | None
    images: ImageInterval | None
    per_image: float
    is_best: bool
    parameters: float
    gmacs: float
    latency: float
    peak: float
    minutes: float


def load_study(folders: Sequence[Path], baseline: str | None = None) -> Study:
    """Read the results of a sweep, or the work folders of trainings that no sweep started.

    Args:
        folders: one folder with the results of a sweep; or work folders, named by variant and seed (``a-0``, ``a-1``).
        baseline: variant to compare with; ``None`` takes the sweep's.

    Raises:
        UserError: a folder holds no results, two work folders are the same variant and seed, or the baseline is
            unknown.
    """
    for folder in folders:
        if not folder.is_dir():
            raise UserError(f'{folder}: no such folder; give the results of a sweep, or work folders of trainings')
    if len(folders) == 1 and any(folders[0].glob('*_seed*.json')):
        study = _load_sweep(folders[0], baseline)
    else:
        study = _load_work_folders(folders, baseline)
    if study.baseline not in study.results:
        hint = suggest(study.baseline, study.results)
        raise UserError(f'--baseline {study.baseline}: not among {", ".join(study.results)}{hint}')
    return study


def summarise(study: Study) -> list[Row]:
    """The rows of the main table, the baseline first."""
    scores = study.scores()
    comparisons = compare(scores, study.baseline)
    return [_row(study, variant, runs, comparisons.get(variant)) for variant, runs in scores.items()]


def _load_sweep(folder: Path, baseline: str | None) -> Study:
    declared = folder / SWEEP_FILE
    spec = yaml.safe_load(declared.read_text()) if declared.is_file() else {}
    found: dict[str, dict[int, RunResult]] = {}
    matrices: dict[str, dict[int, ImageMatrices]] = {}
    for result in read_results(folder):
        found.setdefault(result.variant, {})[result.seed] = result
        path = folder / f'{result.variant}_seed{result.seed}_{result.config_hash[:8]}.npz'
        if path.is_file():
            matrices.setdefault(result.variant, {})[result.seed] = load_image_matrices(path)
    baseline = baseline or spec.get('baseline') or next(iter(found))
    names = list(spec.get('variants', {}))
    costs = json.loads((folder / COSTS_FILE).read_text()) if (folder / COSTS_FILE).is_file() else {}
    return Study(folder.resolve().name, baseline, _ordered(found, baseline, names), matrices, costs)


def _load_work_folders(folders: Sequence[Path], baseline: str | None) -> Study:
    found: dict[str, dict[int, RunResult]] = {}
    for folder in folders:
        variant = SEED_SUFFIX.sub('', folder.resolve().name)
        result = read_work_folder(folder, variant)
        if result.seed in found.setdefault(variant, {}):
            raise UserError(f'{folder}: {variant} with seed {result.seed} is there twice')
        found[variant][result.seed] = result
    baseline = baseline or next(iter(found))
    return Study(folders[0].resolve().parent.name, baseline, _ordered(found, baseline, list(found)))


def _ordered(
    found: dict[str, dict[int, RunResult]], baseline: str, names: Sequence[str]
) -> dict[str, dict[int, RunResult]]:
    """The baseline first, then in the order of the names that they begin with, as axes lengthen them."""

    def place(variant: str) -> tuple[bool, int, str]:
        ranks = [rank for rank, name in enumerate(names) if variant == name or variant.startswith(f'{name}_')]
        return variant != baseline, min(ranks, default=len(names)), variant

    return {variant: dict(sorted(found[variant].items())) for variant in sorted(found, key=place)}


def _row(study: Study, variant: str, runs: dict[int, float], comparison: Comparison | None) -> Row:
    values = np.array(list(runs.values()))
    results = list(study.results[variant].values())
    matrices = study.matrices.get(variant, {})
    images = None
    if comparison is not None and matrices:
        images = compare_images(matrices, study.matrices.get(study.baseline, {}))
    cost = study.costs.get(variant, {})
    return Row(
        variant,
        runs,
        mean=float(values.mean()),
        deviation=float(values.std(ddof=1)) if len(values) > 1 else math.nan,
        comparison=comparison,
        images=images,
        per_image=float(
            np.mean([np.nanmean(image_miou(m.matrices)) for m in matrices.values()]) if matrices else math.nan
        ),
        is_best=is_best(study.scores(), variant),
        parameters=results[0].cost['parameters'] / 1e6,
        gmacs=results[0].cost['macs'] / 1e9,
        latency=cost.get('p50 (ms)', math.nan),
        peak=cost.get('peak (MiB)', math.nan),
        minutes=float(np.mean([result.seconds for result in results])) / 60,
    )
