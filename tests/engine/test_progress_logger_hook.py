"""The screen, the log file and the scalar log of a real Runner with a model of one parameter."""

import io
import json
import logging
import re
from pathlib import Path

import pytest
import torch
from mmengine.evaluator import BaseMetric, Evaluator
from mmengine.hooks import CheckpointHook, Hook
from mmengine.model import BaseModel
from mmengine.runner import Runner
from torch.utils.data import Dataset

from scaseg.engine import ProgressLoggerHook, QuietRunner, progress_logger_hook
from scaseg.engine.progress_logger_hook import LiveLine

METRICS = {'mAcc': 70.1, 'mIoU': 61.23456789012, 'aAcc': 90.0512345}


class Numbers(Dataset):
    METAINFO = {}
    metainfo = {}

    def __len__(self) -> int:
        return 6

    def __getitem__(self, index: int) -> dict:
        return {'inputs': torch.tensor([float(index)])}


class OneParameter(BaseModel):
    def __init__(self) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(1))

    def forward(self, inputs: list[torch.Tensor], mode: str = 'tensor') -> dict | list:
        return {'loss': (self.weight - 1).square().sum()} if mode == 'loss' else inputs


class FixedFigures(BaseMetric):
    default_prefix = ''

    def process(self, data_batch: object, data_samples: object) -> None:
        self.results.append(0)

    def compute_metrics(self, results: list) -> dict:
        return METRICS


class Greeter(Hook):
    """Logs an ordinary record in the middle of the training."""

    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if runner.iter == 5:
            runner.logger.info('hello from iteration 6')


class Stumbler(Hook):
    def after_train_iter(self, runner: Runner, *args, **kwargs) -> None:
        if runner.iter == 2:
            raise KeyboardInterrupt


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True

    def lines(self) -> list[str]:
        """What stands on the screen: a carriage return goes to the beginning of the line, ESC [K erases to its end."""
        lines, column = [''], 0
        for piece in re.split('(\r|\x1b\\[K|\n)', self.getvalue()):
            if piece == '\n':
                lines.append('')
            if piece in ('\n', '\r'):
                column = 0
            elif piece == '\x1b[K':
                lines[-1] = lines[-1][:column]
            else:
                lines[-1] = lines[-1][:column] + piece + lines[-1][column + len(piece) :]
                column += len(piece)
        return lines


def loader(sampler: str) -> dict:
    return {'dataset': Numbers(), 'sampler': {'type': sampler, 'shuffle': False}, 'batch_size': 1, 'num_workers': 0}


def build(work_dir: Path, stream: io.StringIO, max_iters: int = 7, **settings) -> QuietRunner:
    """A Runner that validates every 4 iterations and at the end, and whose logger's screen is ``stream``."""
    runner = QuietRunner(
        OneParameter(),
        str(work_dir),
        train_dataloader=loader('InfiniteSampler'),
        train_cfg={'type': 'IterBasedTrainLoop', 'max_iters': max_iters, 'val_interval': 4},
        optim_wrapper={'optimizer': {'type': 'SGD', 'lr': 0.01}},
        val_dataloader=loader('DefaultSampler'),
        val_cfg={},
        val_evaluator=Evaluator(FixedFigures()),
        test_dataloader=loader('DefaultSampler'),
        test_cfg={},
        test_evaluator=Evaluator(FixedFigures()),
        default_hooks={'logger': ProgressLoggerHook(interval=3, log_metric_by_epoch=False), 'checkpoint': None},
        visualizer={'type': 'Visualizer', 'vis_backends': [{'type': 'LocalVisBackend'}]},
        log_processor={'by_epoch': False},
        experiment_name=f'{work_dir.parent.name}_{work_dir.name}',
        **settings,
    )
    screen_of(runner).setStream(stream)
    return runner


def screen_of(runner: Runner) -> logging.StreamHandler:
    return next(handler for handler in runner.logger.handlers if not isinstance(handler, logging.FileHandler))


def messages(lines: list[str]) -> list[str]:
    """The lines without time, logger and level."""
    return [re.sub(r'^.* - (\x1b\[\d+m)*INFO(\x1b\[0m)* - ', '', line) for line in lines if line]


def scalars(runner: Runner) -> list[dict]:
    return [json.loads(line) for line in Path(runner.log_dir, 'vis_data', 'scalars.json').read_text().splitlines()]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv('COLUMNS', '200')
    return Terminal()


def test_plain_output_is_a_short_line_at_first_every_interval_and_at_the_end(tmp_path: Path) -> None:
    stream = io.StringIO()
    build(tmp_path / 'run', stream).train()
    assert '\r' not in stream.getvalue() and '\x1b[K' not in stream.getvalue()
    train = [line for line in messages(stream.getvalue().splitlines()) if line.startswith('iter')]
    assert [line.split(' | ')[0] for line in train] == ['iter 1/7', 'iter 3/7', 'iter 6/7', 'iter 7/7']
    pattern = (
        r'iter 1/7 \| eta 0:00:00 \| loss \d\.\d{4} \| lr 1\.0e-02 \| \d\.\d\d s/iter \(data \d\.\d\d\) \| mIoU -'
    )
    assert re.fullmatch(pattern, train[0])
    assert train[2].endswith('| mIoU 61.23 @ 4')


def test_validation_line_has_two_decimals_and_the_scalar_log_all(tmp_path: Path) -> None:
    stream = io.StringIO()
    runner = build(tmp_path / 'run', stream)
    runner.train()
    val = [line for line in messages(stream.getvalue().splitlines()) if line.startswith('val')]
    assert [line.split(' | ')[0] for line in val] == ['val @ 4: mIoU 61.23', 'val @ 7: mIoU 61.23']
    assert re.fullmatch(r'val @ 4: mIoU 61\.23 \| mAcc 70\.10 \| aAcc 90\.05 \| \d+\.\d img/s', val[0])
    logged = [entry for entry in scalars(runner) if 'mIoU' in entry]
    assert [entry['step'] for entry in logged] == [4, 7]
    assert {name: logged[0][name] for name in METRICS} == METRICS


def test_a_long_validation_is_not_silent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('scaseg.engine.progress_logger_hook.PLAIN_SECONDS', 0.0)
    stream = io.StringIO()
    build(tmp_path / 'run', stream).val()
    said = [line.split(' | ')[0] for line in messages(stream.getvalue().splitlines())]
    assert [line for line in said if '/6' in line] == [f'val {done}/6' for done in range(1, 7)]


def test_last_iteration_is_in_the_scalar_log(tmp_path: Path) -> None:
    runner = build(tmp_path / 'run', io.StringIO())
    runner.train()
    assert [entry['step'] for entry in scalars(runner) if 'loss' in entry] == [3, 6, 7]


def test_log_file_keeps_the_full_lines(tmp_path: Path, terminal: Terminal) -> None:
    for name, stream in (('plain', io.StringIO()), ('live', terminal)):
        runner = build(tmp_path / name, stream)
        runner.train()
        text = Path(runner.logger.log_file).read_text()
        assert re.findall(r'Iter\(train\) \[(\d)/7\]', text) == ['3', '6', '7']
        assert 'Iter(val) [6/6]    mAcc: 70.1000  mIoU: 61.2346' in text
        assert 'iter 3/7' not in text and 'val @' not in text
        assert 'Iter(' not in stream.getvalue()


def test_terminal_shows_one_live_line_and_whole_records(tmp_path: Path, terminal: Terminal) -> None:
    runner = build(tmp_path / 'run', terminal, custom_hooks=[Greeter()])
    runner.train()
    assert all(re.match(r'\d\d/\d\d ', line) for line in terminal.lines() if 'INFO' in line)
    lines = messages(terminal.lines())
    assert lines[-2:] == ['hello from iteration 6', next(line for line in lines if line.startswith('val @ 7'))]
    assert not [line for line in lines if line.startswith(('iter', 'val 6/6'))]
    assert '\x1b[Kiter 7/7 | ' in terminal.getvalue() and '\x1b[Kval 6/6 | ' in terminal.getvalue()
    assert re.search(r'hello from iteration 6\niter 5/7 \| [^\r\n]*mIoU 61\.23 @ 4\r', terminal.getvalue())
    assert screen_of(runner).stream is terminal


def test_live_line_ends_before_an_exception_is_printed(tmp_path: Path, terminal: Terminal) -> None:
    runner = build(tmp_path / 'run', terminal, custom_hooks=[Stumbler()])
    with pytest.raises(KeyboardInterrupt):
        runner.train()
    screen_of(runner).stream.write('interrupted\n')
    assert re.search(r'iter \d/7 [^\r\n]*mIoU -\ninterrupted\n$', terminal.getvalue())


def test_terminal_keeps_the_last_line_of_a_training_without_validation(tmp_path: Path, terminal: Terminal) -> None:
    runner = build(tmp_path / 'run', terminal)
    runner._val_loop = None
    runner.train()
    assert terminal.getvalue().endswith('| mIoU -\n')
    assert terminal.lines()[-2].startswith('iter 7/7 | ')


def test_live_line_is_not_drawn_at_every_iteration(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(progress_logger_hook, 'REDRAW_SECONDS', 1e9)
    runner = build(tmp_path / 'run', terminal, max_iters=50)
    runner._val_loop = None
    runner.train()
    assert re.findall(r'\r\x1b\[Kiter +(\d+)/50', terminal.getvalue()) == ['1', '50']


def test_live_line_fits_a_narrow_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv('COLUMNS', '45')
    terminal = Terminal()
    LiveLine(terminal).draw(['iter 340/1500', 'eta 0:12:30', 'loss 0.8231', 'lr 5.9e-05', 'mIoU 61.23'])
    assert terminal.lines() == ['iter 340/1500 | eta 0:12:30 | mIoU 61.23']
    monkeypatch.setenv('COLUMNS', '20')
    LiveLine(terminal).draw(['iter 340/1500', 'eta 0:12:30', 'mIoU 61.23'])
    assert terminal.lines() == ['iter 340/1500 | eta']


@pytest.mark.parametrize('mode', ['val', 'test'])
def test_val_and_test_alone(tmp_path: Path, terminal: Terminal, mode: str) -> None:
    plain = io.StringIO()
    for name, stream in (('plain', plain), ('live', terminal)):
        runner = build(tmp_path / name, stream)
        assert getattr(runner, mode)() == METRICS
    lines = messages(plain.getvalue().splitlines())
    pattern = rf'{mode}: mIoU 61\.23 \| mAcc 70\.10 \| aAcc 90\.05 \| \d+\.\d img/s'
    assert re.fullmatch(pattern, lines[-1])
    assert re.fullmatch(pattern, messages(terminal.lines())[-1])
    if mode == 'test':
        written = json.loads(Path(runner.log_dir, f'{runner.timestamp}.json').read_text())
        assert {name: written[name] for name in METRICS} == METRICS


def test_last_score_survives_a_resume(tmp_path: Path) -> None:
    work_dir = tmp_path / 'run'
    checkpoints = [CheckpointHook(by_epoch=False, interval=5)]
    build(work_dir, io.StringIO(), max_iters=5, custom_hooks=checkpoints).train()
    stream = io.StringIO()
    resumed = build(tmp_path / 'resumed', stream, resume=True, load_from=str(work_dir / 'iter_5.pth'))
    resumed.train()
    train = [line for line in messages(stream.getvalue().splitlines()) if line.startswith('iter')]
    assert train[0].startswith('iter 6/7') and re.search(r'mIoU 61\.23 @ [45]$', train[0])


@pytest.mark.parametrize('live', [False, True])
def test_other_ranks_are_silent(
    tmp_path: Path, terminal: Terminal, monkeypatch: pytest.MonkeyPatch, live: bool
) -> None:
    stream = terminal if live else io.StringIO()
    runner = build(tmp_path / 'run', stream)
    monkeypatch.setattr(progress_logger_hook, 'is_main_process', lambda: False)
    screen_of(runner).setLevel(logging.ERROR)  # as mmengine sets it on the other ranks
    runner.train()
    assert stream.getvalue() == ''


def test_records_reach_the_screen_after_a_run(tmp_path: Path) -> None:
    stream = io.StringIO()
    runner = build(tmp_path / 'run', stream)
    runner.train()
    runner.logger.info('the end')
    assert messages(stream.getvalue().splitlines())[-1] == 'the end'
