"""Sweep files: what they say, and what is refused before a config is loaded."""

from pathlib import Path

import pytest

from scaseg.errors import UserError
from scaseg.experiments.spec import load_spec

WHOLE = """
base: a.py
baseline: plain
seeds: [0, 3]
options: {train_cfg.max_iters: 10, x.y: shared}
variants:
  plain: {}
  other: b.py
  own: {config: c.py, x.y: own}
place: {engine: slurm, jobs: 4, slurm: {slurm_partition: gpu}}
"""


def write(folder: Path, text: str) -> Path:
    path = folder / 'sweep.yaml'
    path.write_text(text)
    return path


def test_variants_are_the_base_another_config_or_both(tmp_path: Path) -> None:
    spec = load_spec(write(tmp_path, WHOLE))
    assert {name: variant.config for name, variant in spec.variants.items()} == {
        'plain': 'a.py',
        'other': 'b.py',
        'own': 'c.py',
    }
    assert spec.variants['plain'].options == {'train_cfg.max_iters': 10, 'x.y': 'shared'}
    assert spec.variants['own'].options == {'train_cfg.max_iters': 10, 'x.y': 'own'}
    assert (spec.name, spec.baseline, spec.seeds) == ('sweep', 'plain', (0, 3))
    assert (spec.place.engine, spec.place.jobs, spec.place.slurm) == ('slurm', 4, {'slurm_partition': 'gpu'})


def test_axes_are_multiplied_out(tmp_path: Path) -> None:
    text = WHOLE.replace('baseline: plain', 'baseline: plain_lr-0.001_width-8')
    spec = load_spec(write(tmp_path, text + 'axes: {o.lr: [1e-3, 2e-3], h.width: [8, 16, 32]}\n'))
    assert len(spec.variants) == 3 * 2 * 3
    options = spec.variants['other_lr-0.002_width-32'].options
    assert (options['o.lr'], options['h.width'], options['x.y']) == (0.002, 32, 'shared')  # 2e-3 is a number


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (('seeds: [0, 3]', 'seed: [0, 3]'), "nothing reads the key 'seed'; did you mean 'seeds'"),
        (('seeds: [0, 3]', 'seeds: [0, 0]'), 'names a seed twice'),
        (('seeds: [0, 3]', 'seeds: [true]'), r'seeds: \[True\] is not a list of integers'),
        (('seeds: [0, 3]', ''), "the key 'seeds' is missing"),
        (
            ('baseline: plain', 'baseline: plane'),
            r"'plane' is not a variant \(plain, other, own\); did you mean 'plain'",
        ),
        (('other: b.py', 'plain: b.py'), "line 7: 'plain' is named twice"),
        (('other: b.py', 'other: 3'), 'variants.other: 3 is neither a config file nor a table'),
        (('other: b.py', 'a/b: b.py'), "'a/b' names a folder"),
        (('base: a.py', ''), 'variants.plain names no config file, and the sweep has no base'),
        (('engine: slurm', 'engine: cloud'), "place.engine: 'cloud' is not one of local, torchrun, slurm"),
        (('jobs: 4', 'jobs: 0'), 'place.jobs: 0 is not an integer of 1 or more'),
        (('jobs: 4', 'job: 4'), "place.job: nothing reads this key; did you mean 'jobs'"),
        (('seeds: [0, 3]', 'seeds: ['), 'this sweep file is not YAML'),
        ((WHOLE, '- a\n- b'), 'expected keys and values'),
    ],
)
def test_what_is_wrong_is_named(tmp_path: Path, change: tuple[str, str], message: str) -> None:
    path = write(tmp_path, WHOLE.replace(*change))
    with pytest.raises(UserError, match=message) as error:
        load_spec(path)
    assert str(error.value).startswith(str(path))


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='no such sweep file'):
        load_spec(tmp_path / 'none.yaml')
