"""Sweeps from the file to the results: states, interruptions, failures, changed configs, engines."""

import fcntl
import functools
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
import yaml

from scaseg.errors import UserError
from scaseg.experiments import sweep as sweep_module
from scaseg.experiments.costs import measure_costs
from scaseg.experiments.engines import ProcessEngine, RunOnNode, SlurmEngine
from scaseg.experiments.estimate import describe_plan
from scaseg.experiments.results import read_results
from scaseg.experiments.runs import Run, State
from scaseg.experiments.spec import Place, load_spec
from scaseg.experiments.sweep import plan_sweep, summary, sweep
from scaseg.experiments.worker import train_run

from .conftest import InThisProcess

REPOSITORY = Path(__file__).parents[2]
SHIPPED = sorted((REPOSITORY / 'configs' / 'sweeps').glob('*.yaml'))


@pytest.fixture
def engine(monkeypatch: pytest.MonkeyPatch) -> InThisProcess:
    engine = InThisProcess()
    monkeypatch.setattr(sweep_module, 'build_engine', lambda place, folder: engine)
    return engine


@pytest.fixture(scope='module')
def finished(sweep_file: Path, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Work folder and results of the tiny sweep, run to its end in one go."""
    folder = tmp_path_factory.mktemp('finished')
    for run in plan_sweep(sweep_file, folder / 'work', folder / 'results'):
        train_run(run)
    return folder / 'work', folder / 'results'


def change(sweep_file: Path, folder: Path, **keys: object) -> Path:
    """The tiny sweep with other keys, in a folder of its own."""
    path = folder / sweep_file.name
    path.write_text(yaml.safe_dump(yaml.safe_load(sweep_file.read_text()) | keys, sort_keys=False))
    return path


def test_runs_of_a_seed_stand_together_and_are_named_for_people(sweep_file: Path, tmp_path: Path) -> None:
    runs = plan_sweep(sweep_file, tmp_path)
    assert [(run.variant, run.seed) for run in runs] == [('plain', 0), ('fast', 0), ('plain', 1), ('fast', 1)]
    assert all(run.name == f'{run.variant}_seed{run.seed}_{run.config_hash[:8]}' for run in runs)
    assert len({run.config_hash for run in runs}) == 4
    assert {run.state for run in runs} == {State.WAITING}
    assert not list(tmp_path.iterdir())  # nothing is written by looking


def test_results_hold_what_a_report_needs(finished: tuple[Path, Path]) -> None:
    work, results = finished
    first = read_results(results)[0]
    assert (first.variant, first.seed, list(first.curve)) == ('fast', 0, ['2', '4'])
    assert first.figures['mIoU'] == first.curve['4']
    assert first.best['mIoU'] == max(first.curve.values())
    assert len(first.class_iou) == 10
    assert first.cost['parameters'] > first.cost['head parameters'] > 0
    assert first.circumstances['torch']
    assert len(list(results.glob('*.npz'))) == 4
    assert not list(results.glob('*.pth'))
    assert len(list(work.glob('*/iter_4.pth'))) == 4


def test_an_interrupted_sweep_goes_on_and_repeats_nothing(
    sweep_file: Path, tmp_path: Path, engine: InThisProcess, finished: tuple[Path, Path]
) -> None:
    engine.interrupts = 1
    with pytest.raises(KeyboardInterrupt):
        sweep(sweep_file, tmp_path)
    engine.interrupts = None
    runs = sweep(sweep_file, tmp_path)
    assert engine.started == [run.name for run in runs]  # four runs, each once
    assert summary(runs) == '4 of 4 runs are done'
    for one, other in zip(read_results(finished[1]), read_results(tmp_path), strict=True):
        assert (one.figures, one.class_iou, one.curve) == (other.figures, other.class_iou, other.curve)
    sweep(sweep_file, tmp_path)
    assert len(engine.started) == 4


def test_results_alone_are_enough_to_go_on(
    sweep_file: Path, tmp_path: Path, engine: InThisProcess, finished: tuple[Path, Path]
) -> None:
    sweep(sweep_file, tmp_path / 'other machine', finished[1])
    assert engine.started == []


def test_failed_runs_are_named_and_started_again_on_request(
    sweep_file: Path, tmp_path: Path, engine: InThisProcess, capsys: pytest.CaptureFixture
) -> None:
    path = change(sweep_file, tmp_path, seeds=[0])
    engine.breaks = ['fast']
    runs = sweep(path, tmp_path / 'work')
    assert [run.state for run in runs] == [State.DONE, State.FAILED]
    assert f'failed: {runs[1].name}: RuntimeError: out of luck' in summary(runs)
    assert '--retry-failed' in summary(runs)
    assert 'failed  fast_seed0' in capsys.readouterr().out
    engine.breaks = []
    assert len(sweep(path, tmp_path / 'work')) == len(engine.started) == 2  # not by itself
    assert {run.state for run in sweep(path, tmp_path / 'work', retry_failed=True)} == {State.DONE}


def test_a_run_with_another_config_under_its_name_is_refused(
    sweep_file: Path, tmp_path: Path, finished: tuple[Path, Path]
) -> None:
    path = change(sweep_file, tmp_path, options={'optim_wrapper.optimizer.weight_decay': 0.5})
    with pytest.raises(UserError, match=r'plain with seed 0 was started with another config \(optim_wrapper.*decay\)'):
        plan_sweep(path, finished[0])
    with pytest.raises(UserError, match='plain with seed 0 was started with another config: see'):
        plan_sweep(path, tmp_path, finished[1])


@pytest.mark.parametrize(
    ('variants', 'message'),
    [
        ({'plain': {}, 'same': {'optim_wrapper.optimizer.lr': 2e-3}}, 'variants.same changes nothing: .* as plain'),
        ({'plain': {}, 'misspelt': {'model.decode_head.chanels': 8}}, "variants.misspelt: .*did you mean 'channels'"),
        ({'plain': {}, 'unfit': {'model.decode_head.num_heads': [3, 3, 3]}}, 'variants.unfit: '),
        ({'plain': {}, 'gone': 'configs/none.py'}, 'variants.gone: configs/none.py: no such config file'),
    ],
)
def test_a_sweep_is_checked_as_a_whole_before_it_starts(
    sweep_file: Path, tmp_path: Path, variants: dict, message: str
) -> None:
    path = change(sweep_file, tmp_path, variants=variants)
    with pytest.raises(UserError, match=message):
        plan_sweep(path, tmp_path / 'work')
    assert not (tmp_path / 'work').exists()


def test_two_processes_never_train_one_run(sweep_file: Path, tmp_path: Path) -> None:
    run = plan_sweep(sweep_file, tmp_path)[0]
    run.folder.mkdir()
    holder = (run.folder / 'lock').open('w')
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(UserError, match='another process is training this run'):
        train_run(run)
    assert run.state is State.INTERRUPTED  # the other one goes on


def test_a_config_that_changes_while_a_sweep_runs_is_not_trained(sweep_file: Path, tmp_path: Path) -> None:
    config = tmp_path / 'tiny.py'
    config.write_text(sweep_file.with_name('tiny.py').read_text())
    run = plan_sweep(change(sweep_file, tmp_path, base=str(config)), tmp_path / 'work')[0]
    config.write_text(config.read_text().replace('max_iters=4', 'max_iters=6'))
    with pytest.raises(UserError, match='has changed since the sweep was started'):
        train_run(run)
    assert run.state is State.FAILED


def test_a_dry_run_tells_commands_and_time(sweep_file: Path, finished: tuple[Path, Path], tmp_path: Path) -> None:
    runs = plan_sweep(sweep_file, tmp_path / 'work', finished[1])
    text = describe_plan([*runs[:1], *plan_sweep(sweep_file, tmp_path / 'work')[1:2]], jobs=1)
    assert text.startswith(f'done        {runs[0].name}: 0:00:0')
    assert f'    python tools/train.py {runs[0].config} --work-dir {runs[0].folder} --resume --cfg-options' in text
    assert '1 of 2 runs to do: about 0:00:0' in text
    assert not (tmp_path / 'work').exists()


def test_costs_are_measured_for_each_variant(sweep_file: Path, tmp_path: Path) -> None:
    path = measure_costs(plan_sweep(sweep_file, tmp_path / 'work'), tmp_path, seconds=0.1)
    costs = json.loads(path.read_text())
    assert list(costs) == ['plain', 'fast']
    assert 0 < costs['plain']['p20 (ms)'] <= costs['plain']['p50 (ms)'] <= costs['plain']['p80 (ms)']
    assert costs['plain']['peak (MiB)'] == pytest.approx(costs['fast']['peak (MiB)'])  # the same network


@pytest.mark.slow
def test_jobs_of_submitit_train_too(sweep_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """On submitit's local executor, which runs what it would hand to Slurm as processes."""
    monkeypatch.setenv('PYTHONPATH', str(REPOSITORY))
    path = change(sweep_file, tmp_path, seeds=[0], variants={'plain': {'train_cfg.max_iters': 2}})
    monkeypatch.setattr(
        sweep_module,
        'build_engine',
        lambda place, folder: SlurmEngine(Place(slurm={'timeout_min': 5}), folder / 'slurm', cluster='local'),
    )
    (run,) = sweep(path, tmp_path / 'work')
    assert run.state is State.DONE
    delayed = RunOnNode().checkpoint(run)  # what submitit asks for where the job is preempted
    assert (delayed.function.__class__, delayed.args) == (RunOnNode, (run,))


def test_slurm_parameters_that_nobody_knows_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'place\.slurm: .*nonsense'):
        SlurmEngine(Place(slurm={'nonsense': 1}), tmp_path, cluster='local')


def test_cores_and_gpus_are_shared_out(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, sweep_file: Path) -> None:
    engine = ProcessEngine(Place('torchrun', jobs=2, processes=2))
    engine.cores, engine.gpus = 16, ['0', '1', '2', '3']
    assert [engine.environment(slot)['CUDA_VISIBLE_DEVICES'] for slot in (0, 1)] == ['0,1', '2,3']
    assert engine.environment(0)['OMP_NUM_THREADS'] == engine.environment(1)['MKL_NUM_THREADS'] == '4'
    command = engine.command(plan_sweep(sweep_file, tmp_path)[0])
    assert command[1:5] == ['-m', 'torch.distributed.run', '--standalone', '--nproc-per-node']
    assert command[-2:] == ['--launcher', 'pytorch']


@pytest.mark.parametrize('path', SHIPPED, ids=lambda path: path.stem)
def test_shipped_sweeps_name_configs_that_exist(path: Path) -> None:
    spec = load_spec(path)
    assert len(spec.seeds) >= 6 or 'rates' in path.stem
    assert all((REPOSITORY / variant.config).is_file() for variant in spec.variants.values())


@pytest.mark.slow
def test_the_tool_stops_its_children_and_a_second_start_goes_on(sweep_file: Path, tmp_path: Path) -> None:
    path = change(sweep_file, tmp_path, seeds=[0], variants={'plain': {'train_cfg.max_iters': 2000}}, options={})
    command = [sys.executable, 'tools/sweep.py', str(path), '--work-dir', str(tmp_path / 'work')]
    environment = os.environ | {'PYTHONPATH': str(REPOSITORY)}
    heed = functools.partial(signal.signal, signal.SIGINT, signal.SIG_DFL)  # a shell's background jobs ignore it
    process = subprocess.Popen(
        command, cwd=REPOSITORY, env=environment, stdout=subprocess.PIPE, text=True, preexec_fn=heed
    )
    deadline = time.monotonic() + 120
    while not list(tmp_path.glob('work/*/iter_*.pth')) and time.monotonic() < deadline:
        time.sleep(0.2)
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=60)
    assert process.returncode == 130
    run = plan_sweep(path, tmp_path / 'work')[0]
    assert run.state is State.INTERRUPTED
    _assert_nothing_holds(run)
    saved = json.loads((run.folder / 'run.json').read_text())
    assert Run.load(run.folder / 'run.json') == run
    assert saved['options']['randomness.seed'] == 0


def _assert_nothing_holds(run: Run) -> None:
    with (run.folder / 'lock').open('w') as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
