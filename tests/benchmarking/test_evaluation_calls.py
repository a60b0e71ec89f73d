"""What bench_evaluation.py measures: the same evaluation in every way."""

from pathlib import Path

import pytest
import torch

from scaseg.apis.config import load_config
from scaseg.benchmarking import evaluation_calls
from scaseg.benchmarking.evaluation_calls import PARTS, Sizes, build_evaluations, calls_of
from scaseg.errors import UserError

CONFIGS = Path(__file__).parents[2] / 'configs/scaseg'


def test_every_way_counts_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(evaluation_calls.SIZES, 19, Sizes(network=(128, 160), image=(120, 157)))
    cfg = load_config(CONFIGS / 'scaseg_mscan-t_8xb1-160k_cityscapes-1024x1024.py')
    evaluations = build_evaluations(cfg, torch.device('cpu'))
    for part in PARTS:
        labels = {name: call() for name, call in calls_of(evaluations, part).items()}
        stock, twice, once = labels.values()
        assert torch.equal(stock, twice) and stock.shape == (1, 120, 157)
        assert (once != stock).float().mean() < 0.1
    figures = [evaluation.metric.evaluate(2) for evaluation in evaluations.values()]
    assert figures[1]['aAcc'] == pytest.approx(figures[0]['aAcc'], abs=0.00501)


def test_other_numbers_of_classes_have_no_image() -> None:
    cfg = load_config(CONFIGS / 'scaseg_mscan-t_8xb2-80k_voc12aug-512x512.py')
    with pytest.raises(UserError, match='images are known for 150 or 19 classes, not 21'):
        build_evaluations(cfg, torch.device('cpu'))
