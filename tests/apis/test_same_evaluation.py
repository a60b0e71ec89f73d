"""An evaluation is the same every time: figures and files, with any number of workers and processes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

from scaseg.apis import test as evaluate
from scaseg.apis.config import load_config

REPOSITORY = Path(__file__).parents[2]
SMALL = sorted((REPOSITORY / 'configs').glob('[!d]*/*toyscenes*.py'))  # every head, but not again the distilled one
FILES = dict(out='out', show_dir='show', figure='figure.png')


@pytest.fixture
def checkpoint(config: Path, tmp_path: Path) -> Path:
    """Random weights whose predictions hold several classes; more images than the figure has rows."""
    config.write_text(config.read_text().replace('dataset=dict(size=3,', 'dataset=dict(size=9,'))
    model = MODELS.build(load_config(config).model)
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    return tmp_path / 'weights.pth'


def run(config: Path, checkpoint: Path, folder: Path, **options: object) -> dict[str, float]:
    return evaluate(
        config, checkpoint, folder, **{flag: folder / name for flag, name in FILES.items()}, options=options
    )


def contents(folder: Path) -> dict[str, bytes]:
    names = [*folder.glob('out/*'), *folder.glob('show/*'), folder / 'figure.png']
    contents = {str(path.relative_to(folder)): path.read_bytes() for path in names}
    return contents | {'figures': next(folder.glob('*/*.json')).read_bytes()}


@pytest.mark.parametrize('small', SMALL, ids=lambda path: path.stem)
def test_whatever_the_head(small: Path, tmp_path: Path) -> None:
    config = tmp_path / 'small.py'
    data = 'num_workers=0, persistent_workers=False, dataset=dict(size=2, image_size=(64, 96))'
    config.write_text(f"_base_ = '{small}'\ntest_dataloader = dict({data})\n")
    torch.manual_seed(0)
    model = MODELS.build(load_config(config).model)
    for parameter in model.decode_head.parameters():
        torch.nn.init.normal_(parameter)
    torch.save(dict(state_dict=model.state_dict()), tmp_path / 'weights.pth')
    windows = {'model.test_cfg': dict(mode='slide', crop_size=(64, 64), stride=(32, 32))}
    first, again = (run(config, tmp_path / 'weights.pth', tmp_path / name, **windows) for name in 'ab')
    assert first == again
    assert contents(tmp_path / 'a') == contents(tmp_path / 'b')


def test_whatever_the_workers(config: Path, checkpoint: Path, tmp_path: Path) -> None:
    first = run(config, checkpoint, tmp_path / 'a')
    again = run(config, checkpoint, tmp_path / 'b')
    workers = run(config, checkpoint, tmp_path / 'c', **{'test_dataloader.num_workers': 2})
    assert first == again == workers
    files = contents(tmp_path / 'a')
    assert len(files) == 2 * 9 + 2
    assert files == contents(tmp_path / 'b') == contents(tmp_path / 'c')


def test_whatever_the_processes(config: Path, checkpoint: Path, tmp_path: Path) -> None:
    """With the same threads, that is: with other ones, convolutions round otherwise."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        alone = run(config, checkpoint, tmp_path / 'one')
    finally:
        torch.set_num_threads(threads)
    folder = tmp_path / 'two'
    command = ['bash', 'tools/dist_test.sh', config, checkpoint, 2, '--work-dir', folder, '--out', folder / 'out']
    command += ['--show-dir', folder / 'show', '--figure', folder / 'figure.png']
    path = f'{Path(sys.executable).parent}:{os.environ["PATH"]}'
    environment = os.environ | {'PATH': path, 'OMP_NUM_THREADS': '1'}
    subprocess.run(list(map(str, command)), cwd=REPOSITORY, env=environment, capture_output=True, check=True)
    together = json.loads(next(folder.glob('*/*.json')).read_text())
    assert {name: together[name] for name in alone} == alone
    assert contents(folder) == contents(tmp_path / 'one')
