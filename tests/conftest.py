"""Registers scaseg's modules once for all tests."""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

os.environ.setdefault('OMP_WAIT_POLICY', 'PASSIVE')  # before torch starts its threads
os.environ.setdefault('CUDA_VISIBLE_DEVICES', '')  # the equalities that are tested hold exactly on the CPU

import pytest
import torch

from scaseg.quiet import quiet_dependencies

if TYPE_CHECKING:
    from playwright.sync_api import Browser

quiet_dependencies()

from mmengine.registry import init_default_scope  # noqa: E402

import scaseg.datasets  # noqa: E402
import scaseg.engine  # noqa: E402
import scaseg.evaluation  # noqa: E402
import scaseg.models  # noqa: E402, F401

TINY_CONFIG = """
_base_ = '{repository}/configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'

crop_size = (64, 96)
model = dict(data_preprocessor=dict(size=crop_size), backbone=dict(dims=(8, 16, 24, 32)),
             decode_head=dict(in_channels=[8, 16, 24], channels=16))
train_dataloader = dict(batch_size=2, num_workers=0, persistent_workers=False,
                        dataset=dict(size=8, image_size=crop_size))
val_dataloader = dict(num_workers=0, persistent_workers=False, dataset=dict(size=3, image_size=crop_size))
test_dataloader = val_dataloader
train_cfg = dict(max_iters=6, val_interval=3)
default_hooks = dict(checkpoint=dict(interval=3), logger=dict(interval=1))
"""


@pytest.fixture(autouse=True)
def _same_numbers_every_time() -> None:
    init_default_scope('mmseg')
    torch.manual_seed(0)


@pytest.fixture(scope='session')
def browser() -> 'Iterator[Browser]':
    """A headless Chromium; what needs one is skipped where playwright or a browser of the system is missing."""
    playwright = pytest.importorskip('playwright.sync_api', reason='playwright is not installed (the dev extra)')
    chromium = shutil.which('chromium') or shutil.which('chromium-browser') or shutil.which('google-chrome')
    if chromium is None:
        pytest.skip('no chromium, chromium-browser or google-chrome on PATH')
    flags = ['--no-sandbox', '--disable-gpu', '--disable-background-networking']
    with playwright.sync_playwright() as driver:
        chrome = driver.chromium.launch(executable_path=chromium, args=flags)
        yield chrome
        chrome.close()


@pytest.fixture
def config(tmp_path: Path) -> Path:
    """A training small enough for a test: a real config of the repository, cut down."""
    path = tmp_path / 'tiny.py'
    path.write_text(TINY_CONFIG.format(repository=Path(__file__).parents[1]))
    return path
