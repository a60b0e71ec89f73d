"""Registers scaseg's modules once for all tests."""

import os
import shutil
from collections.abc import Iterator
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
