"""docs/own_data.md, done word for word on stand-ins for photographs."""

import re
import runpy
import shlex
import sys
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from scaseg.apis.config import load_config

REPOSITORY = Path(__file__).parents[1]
PAGE = (REPOSITORY / 'docs/own_data.md').read_text()
BRIEFLY = 'train_cfg.max_iters=4 train_cfg.val_interval=4 train_dataloader.num_workers=0 val_dataloader.num_workers=0'
BRIEFLY += ' train_dataloader.persistent_workers=False val_dataloader.persistent_workers=False'


def commands() -> list[list[str]]:
    """The lines of the page's shell blocks, with variables filled in."""
    variables: dict[str, str] = {}
    lines = []
    for block in re.findall(r'```bash\n(.*?)```', PAGE, re.DOTALL):
        for line in block.strip().splitlines():
            if assigned := re.fullmatch(r'(\w+)=(\S+)', line):
                variables[assigned[1]] = assigned[2]
            else:
                lines.append(shlex.split(re.sub(r'\$(\w+)', lambda found: variables[found[1]], line)))
    return lines


def make_photographs(root: Path) -> None:
    """Bright fields under a dark sky, labelled by brightness, with a border of no class."""
    rng = np.random.default_rng(0)
    for split, count in (('train', 6), ('val', 2)):
        for number in range(count):
            horizon = rng.integers(60, 100)
            labels = np.repeat((np.arange(150) > horizon).astype(np.uint8)[:, None], 200, axis=1)
            image = 40 + 150 * labels[..., None] + rng.integers(0, 40, (150, 200, 3))
            labels[:2] = 255
            for folder, suffix, pixels in (('images', 'jpg', image), ('masks', 'png', labels)):
                path = root / folder / split / f'{number}.{suffix}'
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.fromarray(pixels.astype(np.uint8)).save(path)


def test_the_page_leads_from_pictures_to_scores(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    make_photographs(tmp_path / 'data/farm')
    for name in ('tools', 'configs'):
        (tmp_path / name).symlink_to(REPOSITORY / name)
    monkeypatch.chdir(tmp_path)
    tools = []
    for words in commands():
        assert words[0] == 'python'
        arguments = [str(next(tmp_path.glob(word))) if '*' in word else word for word in words[1:]]
        if arguments[0] in ('tools/train.py', 'tools/test.py'):
            arguments += ['--cfg-options', *BRIEFLY.split(), 'test_dataloader.num_workers=0']
            arguments += ['test_dataloader.persistent_workers=False']
        monkeypatch.setattr(sys, 'argv', arguments)
        try:
            runpy.run_path(arguments[0], run_name='__main__')
        except SystemExit as ended:
            assert not ended.code, (arguments, capsys.readouterr().err)
        tools.append(arguments[0])
    assert tools == ['tools/data/describe.py', 'tools/data/check.py', 'tools/train.py', 'tools/test.py']
    said = capsys.readouterr().out
    assert 'train: 6 images in images/train, labels in masks/train' in said
    assert 'no faults found' in said
    assert (tmp_path / 'work_dirs/check/farm/report.html').is_file()
    assert len(list((tmp_path / 'work_dirs/farm/pictures').rglob('*.png'))) == 2
    one_line = re.search(r"data = '[^']+'", PAGE)
    assert one_line is not None
    (tmp_path / 'mine.py').write_text(
        f"_base_ = '{REPOSITORY}/configs/scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'\n{one_line[0]}\n"
    )
    assert load_config(tmp_path / 'mine.py').model.decode_head.num_classes == 2
