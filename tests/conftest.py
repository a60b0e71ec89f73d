"""Registers scaseg's modules once for all tests."""

import multiprocessing
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

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


@pytest.fixture(scope='session')
def in_processes(tmp_path_factory: pytest.TempPathFactory) -> Callable[[int, Callable[[], object]], list[Any]]:
    """Calls a function in so many processes of one gloo group; gives what each returns.

    The processes are forks, which saves importing torch anew; one thread each, as in the workers of data loaders.
    """

    def run(world_size: int, function: Callable[[], object]) -> list[Any]:
        folder = tmp_path_factory.mktemp('processes')
        context = multiprocessing.get_context('fork')
        processes = [
            context.Process(target=_one_of_many, args=(rank, world_size, folder, function))
            for rank in range(world_size)
        ]
        for process in processes:
            process.start()
        for process in processes:
            process.join(timeout=180)
        codes = [process.exitcode for process in processes]
        for process in processes:
            process.kill()
        assert codes == [0] * world_size, codes
        return [torch.load(folder / f'{rank}.pt', weights_only=False) for rank in range(world_size)]

    return run


def _one_of_many(rank: int, world_size: int, folder: Path, function: Callable[[], object]) -> None:
    torch.set_num_threads(1)
    torch.distributed.init_process_group(
        'gloo', init_method=f'file://{folder}/store', rank=rank, world_size=world_size
    )
    torch.save(function(), folder / f'{rank}.pt')
    torch.distributed.barrier()
    torch.distributed.destroy_process_group()
