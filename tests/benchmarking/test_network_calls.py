"""What the tools time is what they say, and their tables and files hold it."""

import argparse
import csv
import runpy
import sys
from pathlib import Path

import pytest
import torch

from scaseg.apis.cli import VariantAction, measuring_parser, positive_int
from scaseg.apis.config import load_config
from scaseg.benchmarking.network_calls import PARTS, build_network, network_call
from scaseg.benchmarking.timing import call_rows
from scaseg.benchmarking.training_step import PHASES, TrainingStep

REPOSITORY = Path(__file__).parents[2]
CPU = torch.device('cpu')


@pytest.mark.parametrize('part', PARTS)
def test_a_call_gives_what_its_part_says(part: str, config: Path) -> None:
    model = build_network(load_config(config), CPU, training=False)
    out = network_call(model, part, (64, 96), batch=2)()
    if part == 'prediction':
        assert [sample.pred_sem_seg.data.shape for sample in out] == [(1, 64, 96)] * 2
    else:
        assert out.shape == (2, model.num_classes, 16, 24) and not out.requires_grad


def test_a_head_alone_runs_no_encoder(config: Path) -> None:
    model = build_network(load_config(config), CPU, training=False)
    call = network_call(model, 'head', (64, 96))
    model.backbone.forward = None
    assert call().shape[-2:] == (16, 24)


@pytest.mark.parametrize('part', ['network', 'head'])
def test_backward_reaches_every_parameter_of_its_part(part: str, config: Path) -> None:
    model = build_network(load_config(config), CPU, training=True)
    gradients = network_call(model, part, (64, 96), batch=2, backward=True)()
    module = model if part == 'network' else model.decode_head
    assert sum(gradient is not None for gradient in gradients) >= len(list(module.parameters()))
    with pytest.raises(ValueError, match='no gradient'):
        network_call(model, 'prediction', (64, 96), backward=True)


def test_autocast_and_the_keys_of_the_config(config: Path) -> None:
    plain = build_network(load_config(config), CPU, training=False)
    cfg = load_config(config, {'channels_last': True, 'fold_conv_bn': True})
    model = build_network(cfg, CPU, training=False)
    assert network_call(model, 'head', (64, 96), dtype=torch.bfloat16)().dtype == torch.bfloat16
    norms = [sum(isinstance(m, torch.nn.Identity) for m in net.modules()) for net in (plain, model)]
    assert norms[1] > norms[0]
    assert model.decode_head.conv_seg.weight.is_contiguous(memory_format=torch.channels_last)


@pytest.mark.parametrize('from_loader', [False, True])
def test_a_training_step_changes_weights_and_times_its_phases(from_loader: bool, config: Path) -> None:
    cfg = load_config(config)
    cfg.train_dataloader.num_workers = 0
    step = TrainingStep(cfg, CPU, from_loader, batch=2)
    before = [p.detach().clone() for p in step.model.parameters()]
    for _ in range(2):
        step()
    assert any(not torch.equal(old, new) for old, new in zip(before, step.model.parameters(), strict=True))
    assert all(p.grad is None for p in step.model.parameters())
    assert set(step.medians()) == set(PHASES) and all(value > 0 for value in step.medians().values())


def test_rows_have_the_ratio_to_the_first() -> None:
    def wait(turns: int) -> None:
        sum(range(turns))

    calls = {('one',): lambda: wait(100_000), ('four',): lambda: wait(400_000)}
    first, second = call_rows(('name',), calls, 8, CPU, 0.05)
    assert first['name'] == 'one' and first['ratio'] == 1
    assert second['ratio'] > 2
    assert second['images/s'] == pytest.approx(8e3 / second['p50 (ms)'], rel=0.01)


def test_each_variant_is_a_dict_of_its_own() -> None:
    parser = measuring_parser('', 'x.csv')
    parser.add_argument('--variant', action=VariantAction, nargs='+', default=[])
    args = parser.parse_args(['--variant', 'a.b=1', 'c=True', '--variant', 'd=x'])
    assert args.variant == [{'a.b': 1, 'c': True}, {'d': 'x'}]
    assert isinstance(args, argparse.Namespace) and args.csv == Path('x.csv')


@pytest.mark.parametrize(
    'flags, message',
    [
        (['--device', 'tpu'], "--device: 'tpu' is neither cpu nor cuda"),
        (['--device', 'cuda:99'], '--device: cuda:99: torch finds'),
        (['--device', 'cuda:500'], '--device: cuda:500: torch finds'),
        (['--csv', '{folder}'], '--csv: {folder} cannot be written'),
        (['--csv', '{folder}/file/x.csv'], '--csv: {folder}/file/x.csv cannot be written'),
        (['--batch-size', '0'], '--batch-size: 0: expected an integer of 1 or more'),
    ],
    ids=lambda value: ' '.join(value) if isinstance(value, list) else '',
)
def test_what_cannot_be_measured_or_written_is_known_before(
    flags: list[str], message: str, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / 'file').touch()
    parser = measuring_parser('', str(tmp_path / 'x.csv'))
    parser.add_argument('--batch-size', type=positive_int)
    with pytest.raises(SystemExit):
        parser.parse_args([flag.format(folder=tmp_path) for flag in flags])
    assert message.format(folder=tmp_path) in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == [tmp_path / 'file']


TOOLS = {
    'latency': ['{config}', '--variant', 'channels_last=True', '--shape', '64', '96'],
    'train_speed': ['{config}', '--variant', 'channels_last=True', '--batch-size', '2'],
    'bench_heads': ['--heads', 'SCASegHead, auto', 'SCASegHead, naive', '--shape', '64', '96', '--passes', 'forward'],
}


@pytest.mark.parametrize('tool', TOOLS)
def test_the_tools_write_what_they_print(
    tool: str, config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture
) -> None:
    path = tmp_path / 'out.csv'
    arguments = [argument.format(config=config) for argument in TOOLS[tool]]
    monkeypatch.setattr(sys, 'argv', [tool, *arguments, '--seconds', '0.01', '--csv', str(path)])
    runpy.run_path(str(REPOSITORY / 'tools' / 'analysis' / f'{tool}.py'), run_name='__main__')
    with path.open() as file:
        rows = list(csv.DictReader(file))
    first, second = (row.get('variant', row.get('head')) for row in rows)
    assert (first, second) in {('', 'channels_last=True'), ('SCASegHead, auto', 'SCASegHead, naive')}
    assert rows[0]['ratio'] == '1.0' and float(rows[1]['peak (MiB)']) > 0
    assert {'commit', 'machine', 'torch', 'mmseg', 'threads'} <= set(rows[0])
    assert f'| {rows[1]["p50 (ms)"]} |' in capsys.readouterr().out
