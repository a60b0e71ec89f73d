"""Reports: what their files say of made-up and of real trainings, and the page in a real browser."""

from __future__ import annotations

import csv
import json
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

from scaseg.apis import train
from scaseg.errors import UserError
from scaseg.evaluation.image_matrices import ImageCounts, save_image_matrices
from scaseg.experiments.report import report
from scaseg.experiments.results import RunResult
from scaseg.experiments.study import load_study, summarise

if TYPE_CHECKING:
    from playwright.sync_api import Browser

CLASSES = ['sky', 'road']
EFFECTS = {'plain': 0.0, 'better': 2.0, 'same_b': 0.0}
HASH = '0123abcd' * 8


def write_study(folder: Path, seeds: int = 8) -> None:
    """Results of a made-up sweep: a variant two points better than the baseline, one as good."""
    rng = np.random.default_rng(0)
    common = rng.normal(0, 3, seeds)
    (folder / 'sweep.yaml').write_text('baseline: plain\nvariants: {plain: {}, same_b: {}, better: {}}\n')
    for name, effect in EFFECTS.items():
        for seed in range(seeds):
            final = 70 + effect + common[seed] + rng.normal(0, 0.3)
            write_result(folder, name, seed, float(final))


def write_result(folder: Path, name: str, seed: int, final: float) -> None:
    result = RunResult(
        variant=name,
        seed=seed,
        config='configs/a.py',
        options={},
        config_hash=HASH,
        figures={'mIoU': final, 'aAcc': 90.0},
        best={'iteration': 20, 'mIoU': final + 1},
        class_iou={'sky': final + 5, 'road': final - 5},
        curve={'10': final - 20, '20': final + 1, '30': final},
        seconds=120.0,
        cost={'shape': [64, 64], 'parameters': 4_620_000, 'macs': 880_000_000},
        circumstances={'commit': 'abc1234', 'machine': 'a <made-up> CPU', 'torch': '2.15.0'},
    )
    result.save(folder / f'{name}_seed{seed}_{HASH[:8]}.json')
    rng = np.random.default_rng(seed)
    counts = []
    for image in range(12):
        right = rng.integers(60, 90, 2) + (5 if name == 'better' else 0)
        matrix = np.array([[right[0], 100 - right[0]], [100 - right[1], right[1]]])
        cells = np.arange(4, dtype=np.int32)
        counts.append(ImageCounts(f'val/{image:02d}.png', cells, matrix.flatten().astype(np.int32)))
    save_image_matrices(counts, CLASSES, folder / f'{name}_seed{seed}_{HASH[:8]}.npz')


@pytest.fixture(scope='module')
def reported(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp('study')
    write_study(folder)
    report([folder])
    return folder


def test_the_verdicts_find_the_effect_and_no_other(tmp_path: Path) -> None:
    write_study(tmp_path)
    same, better = report([tmp_path], out=tmp_path / 'out')
    assert re.match(r'better is better than plain by [12]\.\d\d mIoU \(95 % interval .* after Holm for 2 comp', better)
    assert same.startswith('same_b is not distinguishable from plain')
    names = {path.name for path in (tmp_path / 'out').iterdir()}
    assert names >= {'report.md', 'report.csv', 'report.tex', 'report.html', 'seeds.png', 'differences.png'}
    assert names >= {'cost.png', 'curves.png', 'classes.png'}


def test_every_file_says_where_it_comes_from(reported: Path) -> None:
    for name in ('report.md', 'report.csv', 'report.tex'):
        assert 'abc1234' in (reported / name).read_text()
    assert 'a &lt;made-up&gt; CPU' in (reported / 'report.html').read_text()
    assert 'abc1234' in Image.open(reported / 'seeds.png').text['Description']  # type: ignore[attr-defined]


def test_the_table_has_the_figures_of_the_results(reported: Path) -> None:
    rows = {row['variant']: row for row in csv.DictReader((reported / 'report.csv').open(newline=''))}
    assert list(rows) == ['plain', 'same_b', 'better']  # the baseline, then as the sweep names them
    stored = [json.loads((reported / f'better_seed{s}_{HASH[:8]}.json').read_text()) for s in range(8)]
    finals = [one['figures']['mIoU'] for one in stored]
    better = rows['better']
    assert [
        float(better[f'seed {seed}']) for seed in range(8)
    ] == finals  # to the last digit, the end and not the best
    assert float(better['mean']) == pytest.approx(np.mean(finals))
    assert float(better['standard deviation']) == pytest.approx(np.std(finals, ddof=1))
    assert float(better['images low']) > 0
    assert float(better['parameters (M)']) == 4.62
    assert better['latency (ms)'] == rows['plain']['difference'] == ''  # not measured, nothing to compare with


def test_latex_compiles_in_form_and_is_bold_where_one_is_best(reported: Path, tmp_path: Path) -> None:
    text = (reported / 'report.tex').read_text()
    assert all(rule in text for rule in (r'\toprule', r'\midrule', r'\bottomrule'))
    bold = [line for line in text.splitlines() if r'\mathbf' in line]
    assert len(bold) == 1
    assert bold[0].startswith('better &')
    assert r'same\_b &' in text
    write_study(tmp_path, seeds=3)  # as large an effect, too few seeds to say so
    report([tmp_path])
    assert r'\mathbf' not in (tmp_path / 'report.tex').read_text()
    assert 'from 6 seeds on it can be reached' in (tmp_path / 'report.md').read_text()


def test_a_seed_that_is_missing_is_in_no_difference(tmp_path: Path) -> None:
    write_study(tmp_path)
    next(tmp_path.glob('better_seed7_*.json')).unlink()
    rows = {row.variant: row for row in summarise(load_study([tmp_path]))}
    assert rows['better'].comparison is not None
    assert rows['better'].comparison.seeds == tuple(range(7))
    assert len(rows['plain'].scores) == 8


def test_another_baseline(reported: Path, tmp_path: Path) -> None:
    sentences = report([reported], baseline='better', out=tmp_path)
    assert sentences[0].startswith('plain is worse than better by')
    with pytest.raises(UserError, match=r"--baseline bettr: not among .*did you mean 'better'"):
        report([reported], baseline='bettr')


def test_the_page_sorts_in_a_browser(reported: Path, browser: Browser) -> None:
    page = browser.new_page()
    problems: list[str] = []
    page.on('pageerror', lambda error: problems.append(str(error)))
    page.goto((reported / 'report.html').as_uri())
    table = page.locator('table').first
    table.get_by_role('button', name='mIoU', exact=True).click()
    table.get_by_role('button', name='mIoU', exact=True).click()
    assert table.locator('tbody tr td:first-child').first.inner_text() == 'better'
    page.get_by_role('searchbox').first.fill('same')
    assert table.locator('tbody tr:visible').count() == 1
    loaded = page.evaluate('[...document.images].map((i) => { i.loading = "eager"; return i.src.slice(0, 15); })')
    assert loaded == ['data:image/png;'] * 5
    assert not problems


def test_work_folders_of_no_sweep(sweep_file: Path, tmp_path: Path) -> None:
    for name, seed in (('a-0', 0), ('b-0', 0)):
        options = {'train_cfg.max_iters': 2, 'optim_wrapper.optimizer.lr': 4e-3 if name == 'b-0' else 2e-3}
        train(sweep_file.with_name('tiny.py'), work_dir=tmp_path / name, seed=seed, options=options)
    (sentence,) = report([tmp_path / 'b-0', tmp_path / 'a-0'], baseline='a', out=tmp_path / 'out')
    assert sentence == 'b against a: nothing can be said from 1 seed in common.'
    shutil.copytree(tmp_path / 'a-0', tmp_path / 'a-1')
    with pytest.raises(UserError, match='a with seed 0 is there twice'):
        report([tmp_path / 'a-0', tmp_path / 'a-1'])
    (tmp_path / 'empty').mkdir()
    with pytest.raises(UserError, match='empty: no training log found'):
        report([tmp_path / 'empty'])
    with pytest.raises(UserError, match='none: no such folder'):
        report([tmp_path / 'none'])


def test_a_damaged_result_is_named(tmp_path: Path) -> None:
    write_study(tmp_path, seeds=1)
    path = next(tmp_path.glob('better_seed0_*.json'))
    path.write_text(path.read_text()[:100])
    with pytest.raises(UserError, match=f'{path.name}: not a result of a sweep'):
        report([tmp_path])
