"""The table of weights, the page that shows it, and the tool that fetches from it."""

import re
import runpy
import sys
from pathlib import Path

import pytest
import timm
import torch

from scaseg.weights.table import TABLE, EncoderWeights, WeightFile, markdown_table

ROOT = Path(__file__).resolve().parents[2]
FETCH = ROOT / 'tools/weights/fetch.py'
TIMM = {
    'swin-t': 'swin_tiny_patch4_window7_224.ms_in1k',
    'convnext-t': 'convnext_tiny.fb_in1k',
    'efficientnet-lite0': 'tf_efficientnet_lite0.in1k',
}


def test_the_page_shows_the_table():
    page = (ROOT / 'docs/pretrained.md').read_text(encoding='utf-8')
    assert f'\n{markdown_table()}\n<!-- end of table -->' in page, 'put the output of markdown_table() into the page'


@pytest.mark.parametrize('weights', TABLE.values(), ids=TABLE)
def test_an_entry_is_sound(weights):
    assert TABLE[weights.name] is weights
    for file in weights.files:
        assert file.urls or file.package or weights.page
        assert all(url.startswith('https://') for url in file.urls)
        assert file.sha256 is None or re.fullmatch(r'[0-9a-f]{8}|[0-9a-f]{64}', file.sha256)
        digits = re.search(r'-([0-9a-f]{8})\.pth$', file.file_name)
        assert digits is None or file.sha256.startswith(digits[1])
    hosts = {url.split('/')[2] for file in weights.files for url in file.urls}
    assert len(hosts) != 1, 'no entry depends on one host'


def test_no_two_entries_share_a_file_name():
    names = [file.file_name for weights in TABLE.values() for file in weights.files]
    assert len(names) == len(set(names))


@pytest.mark.parametrize('name', TIMM)
def test_timm_agrees(name):
    config = timm.get_pretrained_cfg(TIMM[name])
    urls = [url for file in TABLE[name].files for url in file.urls]
    assert config.url in urls
    assert f'https://huggingface.co/{config.hf_hub_id}/resolve/main/model.safetensors' in urls
    assert TABLE[name].licence.lower() == config.license
    assert TABLE[name].mean == pytest.approx([255 * value for value in config.mean], abs=0.51)
    assert TABLE[name].std == pytest.approx([255 * value for value in config.std], abs=0.51)


class TestFetch:
    @pytest.fixture
    def run(self, tmp_path, monkeypatch, capsys):
        """The tool's exit status, standard output and standard error for some arguments."""
        monkeypatch.chdir(tmp_path)
        monkeypatch.setenv('SCASEG_PRETRAINED', str(tmp_path))
        monkeypatch.setenv('TORCH_HOME', str(tmp_path))

        def run(*arguments: str) -> tuple[int, str, str]:
            monkeypatch.setattr(sys, 'argv', [str(FETCH), *arguments])
            status = 0
            try:
                runpy.run_path(str(FETCH), run_name='__main__')
            except SystemExit as end:
                status = int(end.code or 0)
            return status, *capsys.readouterr()

        return run

    def test_the_list_says_what_is_here(self, run, tmp_path):
        torch.save({'weight': torch.ones(1)}, tmp_path / 'mscan-t.pth')
        (tmp_path / 'mit_b0_20220624-7e0fe6dd.pth').write_bytes(b'damaged')
        status, out, _ = run()
        lines = {line.split()[0]: line for line in out.splitlines()}
        assert status == 0 and list(lines) == list(TABLE)
        assert str(tmp_path / 'mscan-t.pth') in lines['mscan-t']
        assert 'not here' in lines['mscan-s'] and '7e0fe6dd is published' in lines['mit-b0']

    def test_a_present_file_is_not_fetched(self, run, tmp_path):
        path = tmp_path / 'other/mscan-t.pth'
        path.parent.mkdir()
        torch.save({'weight': torch.ones(1)}, path)
        assert run('mscan-t', '--dir', str(path.parent)) == (0, f'mscan-t: {path}\n', '')

    def test_a_download_goes_to_the_folder(self, run, tmp_path, monkeypatch):
        torch.save({'weight': torch.ones(1)}, tmp_path / 'server.pth')
        file = WeightFile('toy-1.pth', ((tmp_path / 'server.pth').as_uri(),), None)
        monkeypatch.setitem(TABLE, 'toy', EncoderWeights('toy', 'a toy', (file,), 'none'))
        status, out, _ = run('toy', '--dir', str(tmp_path / 'new'))
        assert status == 0 and out.endswith(f'toy: {tmp_path / "new/toy-1.pth"}\n')
        assert (tmp_path / 'new/toy-1.pth').is_file()

    def test_an_unknown_name_is_one_line_and_status_2(self, run):
        status, out, err = run('mscan-x')
        assert (status, out) == (2, '')
        assert err.startswith("error: 'mscan-x' is not in the table") and len(err.splitlines()) == 1

    def test_a_folder_that_is_not_there(self, run, monkeypatch):
        monkeypatch.setenv('SCASEG_PRETRAINED', '/no/such/folder')
        status, _, err = run()
        assert status == 2 and err.startswith('error: SCASEG_PRETRAINED=/no/such/folder: there is no such folder')
