"""From an official file to a checkpoint that an evaluation reads."""

from hashlib import sha256
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmseg.registry import MODELS

from scaseg.apis import convert
from scaseg.apis import test as evaluate
from scaseg.apis.config import load_config
from scaseg.errors import UserError
from scaseg.weights import read_checkpoint

HEAD = """
head = dict(_delete_=True, type='HamburgerHead', in_channels=[8, 16, 24], channels=16, num_classes=10)
model = dict(decode_head=head)
"""


@pytest.fixture
def segnext(config: Path) -> Path:
    """The small training of these tests, with the head of SegNeXt."""
    path = config.with_name('segnext.py')
    path.write_text(f"_base_ = './{config.name}'{HEAD}")
    return path


@pytest.fixture
def official(segnext: Path) -> Path:
    state = MODELS.build(load_config(segnext).model).state_dict()
    del state['decode_head.hamburger.bases']
    path = segnext.with_name('official.pth')
    torch.save({'state_dict': state, 'meta': {'CLASSES': ['wall']}}, path)
    return path


def test_an_evaluation_reads_what_is_written(segnext: Path, official: Path) -> None:
    out = segnext.parent / 'converted' / 'ours.pth'
    convert(segnext, official, out)
    assert 0 <= evaluate(segnext, out, work_dir=segnext.parent / 'work')['mIoU'] <= 100
    assert [path.name for path in out.parent.iterdir()] == ['ours.pth']


def test_the_checkpoint_tells_where_it_is_from(segnext: Path, official: Path) -> None:
    out = segnext.with_name('ours.pth')
    convert(segnext, official, out)
    meta = read_checkpoint(out)['meta']
    assert meta['source'] == 'official.pth'
    assert meta['sha256'] == sha256(official.read_bytes()).hexdigest()
    assert Config.fromstring(meta['cfg'], '.py').model.decode_head.type == 'HamburgerHead'


def test_nothing_is_overwritten(segnext: Path, official: Path) -> None:
    out = segnext.with_name('ours.pth')
    out.write_text('precious')
    with pytest.raises(UserError, match=r'ours\.pth exists already'):
        convert(segnext, official, out)
    assert out.read_text() == 'precious'


def test_nothing_is_written_where_the_file_does_not_fit(segnext: Path, official: Path) -> None:
    state = torch.load(official)['state_dict']
    del state['decode_head.conv_seg.bias']
    torch.save(state, official)
    with pytest.raises(UserError, match=r'missing in the file: decode_head\.conv_seg\.bias'):
        convert(segnext, official, segnext.with_name('ours.pth'))
    assert not segnext.with_name('ours.pth').exists()


def test_a_folder_that_cannot_be_made_is_named(segnext: Path, official: Path) -> None:
    with pytest.raises(UserError, match=r'official\.pth/ours\.pth cannot be written'):
        convert(segnext, official, official / 'ours.pth')
