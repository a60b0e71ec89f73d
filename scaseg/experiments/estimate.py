"""How long a sweep will take, from a few timed steps of each variant."""

import statistics
import sys
import time
from collections.abc import Sequence
from datetime import timedelta

import torch
from mmengine.config import Config
from mmseg.registry import DATASETS

from scaseg.apis.config import load_config
from scaseg.benchmarking.network_calls import build_network, network_call
from scaseg.benchmarking.timing import synchronize
from scaseg.benchmarking.training_step import TrainingStep

from .results import image_shape
from .runs import Run, State

STEPS = 4  # timed, after one that is not


def describe_plan(runs: Sequence[Run], jobs: int) -> str:
    """A line for each run (state, name, command) and the time that those not done will take together.

    Args:
        runs: of a sweep.
        jobs: runs at a time; the estimate takes it that they do not slow each other down.
    """
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    variants = {run.variant: run for run in runs}
    seconds = {name: estimate_seconds(load_config(run.config, run.options), device) for name, run in variants.items()}
    lines = []
    for run in runs:
        options = ' '.join(f"'{key}={value}'" for key, value in run.options.items())
        command = f'python tools/train.py {run.config} --work-dir {run.folder} --resume --cfg-options {options}'
        lines.append(f'{run.state.value:<12}{run.name}: {_span(seconds[run.variant])}\n    {command}')
    left = [run for run in runs if run.state is not State.DONE]
    total = sum(seconds[run.variant] for run in left) / jobs
    lines.append(f'{len(left)} of {len(runs)} runs to do: about {_span(total)} with {jobs} at a time')
    return '\n'.join(lines)


def estimate_seconds(cfg: Config, device: torch.device) -> float:
    """Seconds of a training from its first iteration to its last validation, start-up left out.

    Steps are timed on random images of the crop's size; validations are the prediction of such an image, times the
    share of pixels that a validation image is taken to have: as many as the crop.
    """
    step = TrainingStep(cfg, device)
    step()
    times = []
    for _ in range(STEPS):
        start = time.perf_counter()
        step()
        synchronize(device)
        times.append(time.perf_counter() - start)
    predict = network_call(build_network(cfg, device, training=False), 'prediction', image_shape(cfg))
    predict()
    start = time.perf_counter()
    predict()
    synchronize(device)
    each_image = time.perf_counter() - start
    return cfg.train_cfg.max_iters * statistics.median(times) + _validated_images(cfg) * each_image


def _validated_images(cfg: Config) -> int:
    images = len(DATASETS.build(cfg.val_dataloader.dataset))
    return images * (cfg.train_cfg.max_iters // cfg.train_cfg.get('val_interval', sys.maxsize))


def _span(seconds: float) -> str:
    return str(timedelta(seconds=round(seconds)))
