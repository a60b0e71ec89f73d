"""Which files of a folder are taken, and which are not."""

from pathlib import Path

import pytest

from scaseg.datasets.file_listing import describe_left_out, list_files
from scaseg.errors import UserError


def make(folder: Path, *files: str) -> None:
    for file in files:
        (folder / file).parent.mkdir(parents=True, exist_ok=True)
        (folder / file).touch()


def test_files_of_sub_folders_and_links_are_listed_hidden_ones_are_not(tmp_path: Path) -> None:
    make(tmp_path, 'x/b.jpg', 'x/sub/a.png', 'x/.hidden.jpg', 'x/.git/c.jpg', 'far/d.jpg')
    (tmp_path / 'x/linked').symlink_to(tmp_path / 'far')
    assert list_files(tmp_path / 'x') == ['b.jpg', 'linked/d.jpg', 'sub/a.png']


def test_links_that_lead_back_are_named(tmp_path: Path) -> None:
    make(tmp_path, 'x/sub/a.jpg', 'y/b.jpg')
    (tmp_path / 'x/sub/up').symlink_to(tmp_path / 'x')
    with pytest.raises(UserError, match=r'x/sub/up links to .*, which holds it'):
        list_files(tmp_path / 'x')
    (tmp_path / 'x/sub/up').unlink()
    (tmp_path / 'x/y').symlink_to(tmp_path / 'y')
    (tmp_path / 'y/x').symlink_to(tmp_path / 'x')
    with pytest.raises(UserError, match=r'which holds it'):
        list_files(tmp_path / 'x')


def test_left_out_images_are_counted_by_reason(tmp_path: Path) -> None:
    make(tmp_path, 'a.jpg', 'b.JPG', 'c.jpeg', 'd.jpeg', 'notes.txt')
    (tmp_path / 'e.jpg').symlink_to(tmp_path / 'gone.jpg')
    said = describe_left_out(tmp_path, list_files(tmp_path), '.jpg')
    assert said is not None
    assert said.startswith('4 images of')
    assert said.endswith(': 1 are broken links, 1 end in .JPG, 2 end in .jpeg')
    make(tmp_path / 'clean', 'a.jpg', 'notes.txt')
    assert describe_left_out(tmp_path / 'clean', ['a.jpg', 'notes.txt'], '.jpg') is None
