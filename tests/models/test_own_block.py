"""docs/own_block.md does what it says: its class trains by its config and passes the contract by its line."""

import importlib
import itertools
import re
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pytest
from mmseg.registry import MODELS

from scaseg.apis import train
from scaseg.models import SCASegHead

from . import test_head_contract as contract

REPOSITORY = Path(__file__).parents[2]
MODULE, CONFIG, LINE = re.findall(r'```python\n(.*?)```', (REPOSITORY / 'docs/own_block.md').read_text(), re.DOTALL)


@pytest.fixture(scope='module')
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The two files that the page asks for, its module imported."""
    folder = tmp_path_factory.mktemp('own')
    (folder / 'myblocks.py').write_text(MODULE)
    (folder / 'my_scaseg.py').write_text(CONFIG.replace("'configs/", f"'{REPOSITORY}/configs/"))
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        importlib.import_module('myblocks')
        yield folder
        patch.delitem(MODELS.module_dict, 'EfficientCrossAttention')


def test_it_is_short() -> None:
    assert sum(bool(line.strip()) for line in (MODULE + CONFIG + LINE).splitlines()) <= 30


def test_it_trains(folder: Path) -> None:
    options = {
        'train_cfg': dict(max_iters=2, val_interval=2),
        'train_dataloader': dict(batch_size=2, num_workers=0, persistent_workers=False),
        'val_dataloader': dict(num_workers=0, persistent_workers=False, dataset=dict(size=2)),
        'default_hooks.checkpoint.interval': 2,
    }
    train(folder / 'my_scaseg.py', work_dir=folder / 'run', options=options)
    assert (folder / 'run/iter_2.pth').is_file()


def contract_cases() -> list:
    """Every test of the contract that runs once for each head, with its other parameters."""
    cases = []
    for test in vars(contract).values():
        marks = [mark.args for mark in getattr(test, 'pytestmark', []) if mark.name == 'parametrize']
        if any(names == 'name' for names, _ in marks):
            others = [[(names, value) for value in values] for names, values in marks if names != 'name']
            for values in itertools.product(*others):
                cases.append(pytest.param(partial(test, **dict(values)), id=f'{test.__name__} {values or ""}'))
    return cases


@pytest.mark.parametrize('case', contract_cases())
def test_it_passes_the_contract(folder: Path, case: partial, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: dict = {}
    exec(LINE, dict(HEADS=heads, SCASEG=contract.SCASEG))
    monkeypatch.setitem(contract.HEADS, 'efficient', heads['efficient'])
    head = contract.build('efficient')
    assert isinstance(head, SCASegHead) and type(head.blocks[0].attention).__name__ == 'EfficientCrossAttention'
    case('efficient')
