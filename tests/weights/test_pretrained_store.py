"""Finding, fetching and reading weight files; every URL is a file:// one, nothing leaves the machine."""

import argparse
import hashlib
import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.logging import HistoryBuffer
from safetensors.torch import save_file

from scaseg.errors import UserError
from scaseg.weights import read_checkpoint, store
from scaseg.weights.table import TABLE, EncoderWeights, WeightFile


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    """An empty working directory and empty caches: nothing of the machine's own is found."""
    (tmp_path / 'cwd').mkdir()
    monkeypatch.chdir(tmp_path / 'cwd')
    monkeypatch.setenv('TORCH_HOME', str(tmp_path / 'torch'))
    monkeypatch.delenv(store.FOLDER_VARIABLE, raising=False)


def save(path: Path, value: float = 1.0) -> str:
    """Write a small checkpoint and return its sha256."""
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({'weight': torch.full((64,), value)}, path)
    return hashlib.sha256(path.read_bytes()).hexdigest()


def entry(*files: WeightFile) -> EncoderWeights:
    return EncoderWeights('toy', 'a toy', files, 'none')


class TestLocal:
    @pytest.mark.parametrize('name', ['toy-1.pth', 'toy.pth'])
    def test_the_published_name_and_the_entrys_name_are_found(self, name, tmp_path):
        digest = save(tmp_path / name)
        assert store.find_local(entry(WeightFile('toy-1.pth', (), digest)), [tmp_path]) == tmp_path / name

    def test_the_folder_of_the_environment_comes_first(self, tmp_path, monkeypatch):
        monkeypatch.setenv(store.FOLDER_VARIABLE, str(tmp_path / 'mine'))
        monkeypatch.setitem(TABLE, 'toy', entry(WeightFile('toy-1.pth', (), None)))
        save(tmp_path / 'mine/toy-1.pth')
        save(Path('data/pretrained/toy-1.pth'))
        assert store.find_weights('toy') == tmp_path / 'mine/toy-1.pth'

    def test_data_pretrained_is_searched_without_any_setting(self, monkeypatch):
        monkeypatch.setitem(TABLE, 'toy', entry(WeightFile('toy-1.pth', (), None)))
        save(Path('data/pretrained/toy-1.pth'))
        assert store.find_weights('toy') == Path('data/pretrained/toy-1.pth')

    def test_torchs_download_cache_is_searched(self, tmp_path, monkeypatch):
        monkeypatch.setitem(TABLE, 'toy', entry(WeightFile('toy-1.pth', (), None)))
        save(tmp_path / 'torch/hub/checkpoints/toy-1.pth')
        assert store.find_weights('toy') == tmp_path / 'torch/hub/checkpoints/toy-1.pth'

    def test_a_wrong_checksum_names_the_file_and_both_sums(self, tmp_path):
        digest = save(tmp_path / 'toy-1.pth')
        with pytest.raises(UserError) as error:
            store.find_local(entry(WeightFile('toy-1.pth', (), 'deadbeef')), [tmp_path])
        assert all(part in str(error.value) for part in (str(tmp_path / 'toy-1.pth'), digest, 'deadbeef'))

    def test_an_installed_package_is_used_without_importing_it(self, tmp_path, monkeypatch):
        package = tmp_path / 'site/carrier'
        digest = save(package / 'models/toy-1.pth')
        (package / '__init__.py').write_text('raise RuntimeError("its code was run")')
        monkeypatch.syspath_prepend(package.parent)
        file = WeightFile('toy-1.pth', (), digest, package='carrier/models/toy-1.pth')
        assert store.find_local(entry(file), [tmp_path]) == package / 'models/toy-1.pth'

    def test_a_package_that_is_not_installed_is_no_error(self, tmp_path):
        file = WeightFile('toy-1.pth', (), None, package='no_such_package_at_all/toy-1.pth')
        assert store.find_local(entry(file), [tmp_path]) is None

    def test_a_path_is_taken_as_it_is(self, tmp_path):
        save(tmp_path / 'mine.pth')
        assert store.find_weights(str(tmp_path / 'mine.pth')) == tmp_path / 'mine.pth'

    @pytest.mark.parametrize('wrong', ['mscan-tt', 'no/such/file.pth'])
    def test_neither_name_nor_file(self, wrong):
        with pytest.raises(UserError, match='neither a file nor a name') as error:
            store.find_weights(wrong)
        assert 'mit-b5' in str(error.value)

    def test_a_misspelt_name_gets_a_suggestion(self):
        with pytest.raises(UserError, match="did you mean 'mscan-t'"):
            store.find_weights('mscan_t')


class TestDownload:
    def test_the_second_url_is_used_when_the_first_is_dead(self, tmp_path):
        digest = save(tmp_path / 'server/toy.pth')
        urls = ((tmp_path / 'server/gone.pth').as_uri(), (tmp_path / 'server/toy.pth').as_uri())
        folder = tmp_path / 'new/folder'
        found = store.obtain(entry(WeightFile('toy-1.pth', urls, digest[:8])), [folder])
        assert found == folder / 'toy-1.pth'
        assert [path.name for path in folder.iterdir()] == ['toy-1.pth'], 'no scraps are left'
        torch.testing.assert_close(read_checkpoint(found)['weight'], torch.ones(64))

    @pytest.mark.parametrize('known', [True, False], ids=['checksum', 'no checksum'])
    def test_an_interrupted_download_leaves_nothing_and_the_next_url_is_tried(self, known, tmp_path):
        digest = save(tmp_path / 'server/good.pth')
        half = tmp_path / 'server/half.pth'
        half.write_bytes((tmp_path / 'server/good.pth').read_bytes()[:700])
        file = WeightFile('toy-1.pth', (half.as_uri(),), digest if known else None)
        with pytest.raises(UserError, match=r'half\.pth'):
            store.obtain(entry(file), [tmp_path / 'folder'])
        assert list((tmp_path / 'folder').iterdir()) == []
        both = WeightFile('toy-1.pth', (half.as_uri(), (tmp_path / 'server/good.pth').as_uri()), file.sha256)
        assert store.obtain(entry(both), [tmp_path / 'folder']).name == 'toy-1.pth'

    def test_a_sound_file_with_another_checksum_is_not_kept(self, tmp_path):
        save(tmp_path / 'other.pth')
        with pytest.raises(UserError, match='deadbeef'):
            store.obtain(
                entry(WeightFile('toy-1.pth', ((tmp_path / 'other.pth').as_uri(),), 'deadbeef')), [tmp_path / 'folder']
            )
        assert list((tmp_path / 'folder').iterdir()) == []

    def test_a_page_instead_of_a_file_is_not_kept(self, tmp_path):
        page = tmp_path / 'page.pth'
        page.write_text('<html>this domain has expired</html>')
        with pytest.raises(UserError, match='no checkpoint'):
            store.obtain(entry(WeightFile('toy-1.pth', (page.as_uri(),), None)), [tmp_path / 'folder'])
        assert list((tmp_path / 'folder').iterdir()) == []

    def test_another_file_of_the_entry_is_the_next_resort(self, tmp_path):
        save_file({'weight': torch.ones(3)}, tmp_path / 'other.safetensors')
        gone = WeightFile('toy-1.pth', ((tmp_path / 'gone.pth').as_uri(),), None)
        other = WeightFile('toy.imagenet.safetensors', ((tmp_path / 'other.safetensors').as_uri(),), None)
        assert store.obtain(entry(gone, other), [tmp_path / 'folder']).name == 'toy.imagenet.safetensors'

    def test_a_present_file_is_not_downloaded_again(self, tmp_path):
        digest = save(tmp_path / 'toy-1.pth')
        dead = WeightFile('toy-1.pth', ((tmp_path / 'gone.pth').as_uri(),), digest)
        assert store.obtain(entry(dead), [tmp_path]) == tmp_path / 'toy-1.pth'

    def test_nothing_found_says_what_to_do(self, tmp_path):
        url = (tmp_path / 'gone.pth').as_uri()
        package = WeightFile('toy-2.pth', (), None, package='carrier/toy-2.pth')
        with pytest.raises(UserError) as error:
            store.obtain(entry(WeightFile('toy-1.pth', (url,), None), package), [tmp_path / 'a', tmp_path / 'b'])
        message = str(error.value)
        expected = ("'toy'", 'toy-1.pth', str(tmp_path / 'a'), str(tmp_path / 'b'), f'{url} (', 'toy.safetensors')
        assert all(part in message for part in expected), message
        assert f'save {url} as {tmp_path / "a/toy-1.pth"}' in message
        assert 'pip install --no-deps carrier' in message
        assert 'pretrained=None' in message
        assert len(message.splitlines()) == 1


class TestRead:
    def test_safetensors(self, tmp_path):
        save_file({'weight': torch.arange(3.0)}, tmp_path / 'a.safetensors')
        assert read_checkpoint(tmp_path / 'a.safetensors')['weight'].tolist() == [0, 1, 2]

    def test_objects_of_a_training_framework_do_not_hinder(self, tmp_path):
        content = {
            'state_dict': {'weight': torch.ones(2)},
            'message_hub': {'loss': HistoryBuffer([1.0, 2.0], [1, 1]), 'lr': np.float64(0.1)},
            'args': argparse.Namespace(model='toy'),
        }
        torch.save(content, tmp_path / 'a.pth')
        assert read_checkpoint(tmp_path / 'a.pth')['state_dict']['weight'].tolist() == [1, 1]

    def test_code_in_a_file_is_not_run(self, tmp_path):
        class Touch:
            def __reduce__(self):
                return open, (str(tmp_path / 'trace'), 'w')

        torch.save({'state_dict': {'weight': torch.ones(2)}, 'extra': Touch()}, tmp_path / 'a.pth')
        assert 'state_dict' in read_checkpoint(tmp_path / 'a.pth')
        assert not (tmp_path / 'trace').exists()

    @pytest.mark.parametrize('name', ['a.pth', 'a.safetensors'])
    @pytest.mark.parametrize('kept', [0, 10, 0.5, 0.99])
    def test_a_truncated_file_is_named(self, name, kept, tmp_path):
        path = tmp_path / name
        tensors = {'weight': torch.ones(500)}
        save_file(tensors, path) if path.suffix == '.safetensors' else torch.save(tensors, path)
        content = path.read_bytes()
        path.write_bytes(content[: kept if isinstance(kept, int) else int(len(content) * kept)])
        with pytest.raises(UserError, match=f'{path} is truncated or no checkpoint of tensors'):
            read_checkpoint(path)

    def test_a_pickle_of_something_else_is_refused(self, tmp_path):
        (tmp_path / 'a.pth').write_bytes(pickle.dumps({'weight': np.ones(3)}, protocol=2))
        with pytest.raises(UserError, match='no checkpoint'):
            read_checkpoint(tmp_path / 'a.pth')
