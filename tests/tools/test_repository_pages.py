"""Metafiles, the READMEs written from them, and the tables of the benchmark page say what their sources say."""

from pathlib import Path

import pytest
import yaml
from benchmarks import draw_accuracy_cost, fill_tables
from model_zoo import dump_metafile, render_readme, update_metafile

from scaseg.errors import UserError

REPOSITORY = Path(__file__).parents[2]
PUBLISHED = REPOSITORY / 'docs' / 'results' / 'published.csv'
METAFILES = sorted(REPOSITORY.glob('configs/*/metafile.yml'))
METHODS = [pytest.param(path, id=path.parent.name) for path in METAFILES]
COMMAND = 'run: python tools/analysis/model_zoo.py'


@pytest.mark.parametrize('path', METHODS)
def test_metafile_and_readme_are_up_to_date(path: Path) -> None:
    metafile = update_metafile(path, PUBLISHED, REPOSITORY)
    assert path.read_text() == dump_metafile(metafile), COMMAND
    assert (path.parent / 'README.md').read_text() == render_readme(metafile), COMMAND


@pytest.mark.parametrize('path', METHODS)
def test_what_a_metafile_names_exists_and_its_figures_have_a_source(path: Path) -> None:
    metafile = yaml.safe_load(path.read_text())
    (collection,) = metafile['Collections']
    assert (REPOSITORY / collection['README']).is_file() and (REPOSITORY / collection['Code']['URL']).is_file()
    assert collection['Paper']['URL'].startswith('https://')
    for model in metafile['Models']:
        assert model['In Collection'] == collection['Name']
        assert (REPOSITORY / model['Config']).is_file() and Path(model['Config']).stem == model['Name']
        assert min(model['Metadata'][cost] for cost in ('GMACs', 'Parameters (M)')) > 0
        for figure in model.get('Published', []):
            assert figure['Source'] and all(10 < value < 100 for value in figure['Metrics'].values())
        assert 'Results' not in model or 'Weights' in model  # none without weights of our own


def test_every_method_has_a_metafile() -> None:
    methods = {'scaseg', 'segnext', 'segvit', 'ccnet', 'segformer', 'seaformer'}
    assert {path.parent.name for path in METAFILES} == methods


def test_a_published_figure_without_a_config(tmp_path: Path) -> None:
    table = tmp_path / 'published.csv'
    table.write_text(
        PUBLISHED.read_text() + 'segnext,mscan-x,8xb2-160k_ade20k-512x512,,50.0,,nowhere\n',
    )
    with pytest.raises(UserError, match='segnext_mscan-x_8xb2-160k_ade20k-512x512 is not a config'):
        update_metafile(REPOSITORY / 'configs/segnext/metafile.yml', table, REPOSITORY)


def test_the_benchmark_page_is_up_to_date() -> None:
    page = (REPOSITORY / 'docs/benchmarks/README.md').read_text()
    filled = fill_tables(page, REPOSITORY / 'docs/results/benchmarks', METAFILES)
    assert page == filled, 'run: python tools/analysis/benchmarks.py'


def test_tables_are_filled_from_the_rows_that_are_asked_for(tmp_path: Path) -> None:
    (tmp_path / 'a.csv').write_text('commit,shape,head,p50 (ms)\nc1,8x8,one,1.5\nc1,9x9,two,2.5\n')
    page = 'before\n<!-- table a.csv shape=9x9 -->\nold\n<!-- end -->\nafter\n'
    filled = fill_tables(page, tmp_path, [])
    assert '| head | p50 (ms) |\n| --- | --- |\n| two | 2.5 |\n\ncommit c1.\n<!-- end -->\nafter' in filled
    assert fill_tables(filled, tmp_path, []) == filled
    with pytest.raises(UserError, match='no row with shape=7x7'):
        fill_tables(page.replace('9x9', '7x7'), tmp_path, [])
    with pytest.raises(UserError, match='no such file'):
        fill_tables(page.replace('a.csv', 'b.csv'), tmp_path, [])


def test_the_plot_is_drawn(tmp_path: Path) -> None:
    draw_accuracy_cost({'A': [(2.0, 41.0, 'b'), (1.0, 38.0, 'a')]}, 'title', tmp_path / 'x.png')
    assert (tmp_path / 'x.png').stat().st_size > 5000
