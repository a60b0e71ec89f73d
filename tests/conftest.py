"""Registers scaseg's modules once for all tests."""

import os

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch starts its threads
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')  # the equalities that are tested hold exactly on the CPU

import pytest
import torch

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from mmengine.registry import init_default_scope  # noqa: E402

import scaseg.datasets  # noqa: E402
import scaseg.engine  # noqa: E402
import scaseg.evaluation  # noqa: E402
import scaseg.models  # noqa: E402, F401


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    init_default_scope('mmseg')
    torch.manual_seed(0)
