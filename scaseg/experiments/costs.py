"""Latency and peak memory of every variant of a sweep, measured side by side in one run."""

import json
from collections.abc import Sequence
from pathlib import Path

import torch
from mmengine.fileio import put

from scaseg.apis.config import load_config
from scaseg.benchmarking.network_calls import build_network, network_call
from scaseg.benchmarking.timing import circumstances, library_versions, peak_memory, time_side_by_side

from .results import image_shape
from .runs import Run
from .study import COSTS_FILE


def measure_costs(runs: Sequence[Run], results: Path, seconds: float = 5.0) -> Path:
    """Time one image of the crop's size through each variant's network, and write the figures for the report.

    Args:
        runs: of a sweep; each variant is measured once.
        results: folder of the result files; ``costs.json`` is replaced there.
        seconds: of timed calls for each variant.

    Returns:
        The file.
    """
    device = torch.device('cuda' if torch.cuda.is_available() else 'cpu')
    calls = {}
    for run in {run.variant: run for run in runs}.values():
        cfg = load_config(run.config, run.options)
        model = build_network(cfg, device, training=False)
        calls[run.variant] = network_call(model, 'network', image_shape(cfg))
    timings = time_side_by_side(calls, device, seconds)
    here = circumstances(device) | library_versions()
    costs = {
        name: {
            'p20 (ms)': timing.p20,
            'p50 (ms)': timing.p50,
            'p80 (ms)': timing.p80,
            'peak (MiB)': peak_memory(calls[name], device) / 2**20,
            'circumstances': here,
        }
        for name, timing in timings.items()
    }
    path = results / COSTS_FILE
    put((json.dumps(costs, indent=1) + '\n').encode(), str(path), backend_args=dict(backend='atomic'))
    return path
