"""Only what is named is kept away, and only from where it is not wanted."""

import logging
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from torch.utils.data import Dataset

from scaseg.engine import QuietRunner
from scaseg.quiet import quiet_logger

REPOSITORY = Path(__file__).parents[1]


class Ones(Dataset):
    metainfo = {}

    def __len__(self) -> int:
        return 4

    def __getitem__(self, index: int) -> dict:
        return {'inputs': torch.ones(1)}


class OneLayer(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.layer = torch.nn.Linear(1, 1)

    def forward(self, inputs: list[torch.Tensor], mode: str = 'tensor') -> dict:
        return {'loss': self.layer(inputs[0]).square().sum()}


def build(work_dir: Path) -> QuietRunner:
    return QuietRunner(
        OneLayer(),
        str(work_dir),
        train_dataloader={
            'dataset': Ones(),
            'sampler': {'type': 'InfiniteSampler'},
            'batch_size': 1,
            'num_workers': 0,
        },
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': 1},
        optim_wrapper={
            'optimizer': {'type': 'SGD', 'lr': 0.01},
            'paramwise_cfg': {'custom_keys': {'layer': {'lr_mult': 10.0}}},
        },
        default_hooks={'checkpoint': {'type': 'CheckpointHook', 'by_epoch': False, 'interval': 1}},
        experiment_name=work_dir.name,
        cfg={'mark_of_the_config': 1},
    )


def test_long_dumps_are_in_the_log_file_only(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runner = build(tmp_path / 'long_dumps')
    runner.train()
    written, shown = Path(runner.logger.log_file).read_text(), capsys.readouterr().out
    for text in ('System environment:', 'mark_of_the_config', 'Hooks will be executed', '"FileClient" will be'):
        assert text in written
        assert text not in shown
    assert f'Environment, config and full log: {runner.logger.log_file}' in shown
    assert 'Saving checkpoint at 1 iterations' in shown


def test_lines_per_parameter_are_nowhere(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    runner = build(tmp_path / 'per_parameter')
    runner.train()
    assert [group['lr'] for group in runner.optim_wrapper.param_groups][:2] == [0.1, 0.1]  # or there is nothing to log
    assert 'paramwise_options' not in Path(runner.logger.log_file).read_text()
    assert 'paramwise_options' not in capsys.readouterr().out


def test_filter_drops_the_named_records_only(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    logger = logging.Logger('quiet')
    logger.addHandler(logging.StreamHandler(sys.stdout))
    logger.addHandler(logging.FileHandler(tmp_path / 'log'))
    quiet_logger(logger)
    logger.info('paramwise_options -- %s:lr=0.1', 'layer.weight')
    logger.info('\nlayer.weight - torch.Size([8, 3]): \nInitialized by user-defined `init_weights` \n ')
    logger.info('Config:\na = 1')
    kept = [
        'see paramwise_options -- in the config',
        'Config: a.py',
        'layer.weight is skipped',
        '"FileClient" is gone',
    ]
    for message in kept:
        logger.warning(message)
    assert capsys.readouterr().out.splitlines() == kept
    assert (tmp_path / 'log').read_text().splitlines() == ['Config:', 'a = 1', *kept]


def test_imports_are_silent_and_other_warnings_are_not() -> None:
    program = """
import sys, warnings
from scaseg.quiet import quiet_dependencies
assert not {'mmcv.cnn', 'mmseg.datasets'} & set(sys.modules)
quiet_dependencies()
import mmseg.models
mmseg.models.losses.CrossEntropyLoss()
print('loud')
warnings.warn('this matters')
"""
    done = subprocess.run(
        [sys.executable, '-c', program],
        env={**os.environ, 'PYTHONPATH': str(REPOSITORY)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == 'loud\n'
    assert re.findall(r'\w*Warning: .*', done.stderr) == ['UserWarning: this matters']
