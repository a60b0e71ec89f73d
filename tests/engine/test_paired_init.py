"""Variants of a model start from the same weights where they have the same tensors."""

from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.registry import init_default_scope
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.apis.config import load_config
from scaseg.engine import QuietRunner, build_paired

CONFIGS = Path(__file__).parents[2] / 'configs'
SCASEG = 'scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'
SEGFORMER = 'segformer/segformer_convnext-atto_1xb8-1500it_toyscenes-128x128.py'


def model(path: str, seed: int, **options: Any) -> dict[str, Tensor]:
    init_default_scope('mmseg')
    cfg = load_config(CONFIGS / path, {f'model.decode_head.{key}': value for key, value in options.items()})
    return build_paired(partial(MODELS.build, cfg.model), seed).state_dict()


@pytest.fixture(scope='module')
def reference() -> dict[str, Tensor]:
    return model(SCASEG, seed=3)


def test_another_head_leaves_the_encoder_alone(reference: dict[str, Tensor]) -> None:
    torch.rand(7)  # as if something else had drawn
    other = model(SEGFORMER, seed=3)
    encoder = [name for name in other if name.startswith('backbone')]
    assert len(encoder) > 20
    for name in encoder:
        assert torch.equal(reference[name], other[name]), name


@pytest.mark.parametrize('change', [{'block.local': None}, {'block.local.kernel_size': 5}])
def test_another_block_leaves_the_rest_of_the_head_alone(reference: dict[str, Tensor], change: dict[str, Any]) -> None:
    other = model(SCASEG, seed=3, **change)
    shared = [name for name, x in reference.items() if name in other and other[name].shape == x.shape]
    assert 0 < len(shared) < len(reference)
    for name in shared:
        assert torch.equal(reference[name], other[name]), name


def test_the_seed_decides_and_tensors_differ(reference: dict[str, Tensor]) -> None:
    other = model(SCASEG, seed=4)
    random = [name for name, x in reference.items() if x.numel() > 1 and x.is_floating_point() and x.std() > 0]
    assert not any(torch.equal(reference[name], other[name]) for name in random)
    values = {tuple(reference[name].flatten()[:2].tolist()) for name in random}
    assert len(values) == len(random)


def test_distributions_are_those_of_the_model(reference: dict[str, Tensor]) -> None:
    cfg = load_config(CONFIGS / SCASEG)
    plain = MODELS.build(cfg.model)
    plain.init_weights()
    for name, x in plain.state_dict().items():
        if x.numel() >= 4096:
            torch.testing.assert_close(reference[name].std(), x.std(), rtol=0.1, atol=1e-6, msg=name)


def test_the_runner_reads_the_key(tmp_path: Path, reference: dict[str, Tensor]) -> None:
    cfg = load_config(CONFIGS / SCASEG, {'paired_init': True, 'randomness.seed': 3})
    cfg.work_dir, cfg.launcher, cfg.val_dataloader, cfg.val_cfg, cfg.val_evaluator = str(tmp_path), 'none', *3 * [None]
    cfg.test_dataloader = cfg.test_cfg = cfg.test_evaluator = None
    runner = QuietRunner.from_cfg(cfg)
    runner._init_model_weights()
    for name, x in runner.model.state_dict().items():
        assert torch.equal(reference[name], x), name
