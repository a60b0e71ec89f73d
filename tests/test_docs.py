"""What README and docs point to is there."""

import re
import shutil
import subprocess
from pathlib import Path

import mmseg
import pytest

from scaseg.apis.config import load_config

REPOSITORY = Path(__file__).parents[1]
MMSEG = Path(mmseg.__file__).parent / '.mim'  # configs come with the package
PAGES = [REPOSITORY / name for name in ('README.md', 'CONTRIBUTING.md')] + sorted((REPOSITORY / 'docs').glob('*.md'))


def anchors(page: Path) -> set[str]:
    """Anchors of the headings, as GitHub makes them."""
    headings = re.findall(r'^#+ (.+)$', page.read_text(), re.MULTILINE)
    return {re.sub(r'[^\w\- ]', '', heading.lower()).replace(' ', '-') for heading in headings}


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_links_and_pictures_resolve(page: Path) -> None:
    for target in re.findall(r'\]\(([^)\s]+)\)', page.read_text()):
        if target.startswith(('http://', 'https://')):
            continue
        path, _, anchor = target.partition('#')
        file = (page.parent / path).resolve() if path else page
        assert file.exists(), target
        assert not anchor or anchor in anchors(file), target


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_configs_and_tools_that_are_named_exist(page: Path) -> None:
    for name in re.findall(
        r'(?<![\w/.])(?:configs|tools|scaseg|tests|docs)/[\w./-]+\.(?:py|sh|md)\b', page.read_text()
    ):
        assert (REPOSITORY / name).is_file(), name


def test_configs_that_the_pages_show_can_be_loaded(tmp_path: Path) -> None:
    shutil.copytree(REPOSITORY / 'configs', tmp_path / 'configs')
    shown = [
        block for page in PAGES for block in re.findall(r'```python\n(_base_ = .*?)```', page.read_text(), re.DOTALL)
    ]
    assert len(shown) >= 3
    for block in shown:
        if "data = 'data/farm'" in block:  # needs the folder: test_own_data.py has it
            continue
        path = tmp_path / 'configs/scaseg/shown.py'
        path.write_text(block.replace("'mmsegmentation/", f"'{MMSEG}/"))
        load_config(path)


@pytest.mark.parametrize('page', PAGES, ids=lambda page: page.name)
def test_no_placeholder_is_left(page: Path) -> None:
    assert re.search(r'\b(TODO|TBD|XXX)\b', page.read_text()) is None


def test_files_of_the_documentation_are_in_the_repository() -> None:
    listed = subprocess.run(
        ['git', 'ls-files', '--others', '--ignored', '--exclude-standard', 'docs'],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    )
    assert listed.stdout == ''
