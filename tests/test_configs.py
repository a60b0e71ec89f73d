"""Every config: its parts build, its model trains on an odd image, its header tells the truth, its keys are read."""

import copy
import functools
import json
import re
from itertools import pairwise
from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import Compose
from mmengine.optim import build_optim_wrapper
from mmengine.structures import PixelData
from mmseg.registry import DATASETS, MODELS, PARAM_SCHEDULERS
from mmseg.structures import SegDataSample

from scaseg.apis.checks import leaf_datasets
from scaseg.apis.config import load_config
from scaseg.benchmarking import count_complexity

REPOSITORY = Path(__file__).parents[1]
LEAVES = sorted(path for path in (REPOSITORY / 'configs').glob('*/*.py') if path.parent.name != '_base_')
CONFIGS = [pytest.param(path, id=path.stem) for path in LEAVES]
METHODS_AND_ENCODERS = sorted({f'{path.parent.name}/{"_".join(path.stem.split("_")[:2])}' for path in LEAVES})
IMAGE = (33, 49)


@functools.cache
def _loaded(path: Path) -> Config:
    return load_config(path)


def load(path: Path) -> Config:
    """A config with an encoder from scratch; read once, and copied for each test."""
    cfg = copy.deepcopy(_loaded(path))
    cfg.model.pretrained = None
    return cfg


def distinct_networks(name: str) -> list[Config]:
    """One config for each network of a method and an encoder; most data sets change the number of classes alone."""
    networks = {}
    for path in LEAVES:
        if f'{path.parent.name}/{path.stem}_'.startswith(f'{name}_'):
            cfg = load(path)
            model = cfg.model.to_dict()
            for key in ('data_preprocessor', 'test_cfg'):
                model.pop(key, None)
            for head in ('decode_head', 'auxiliary_head'):
                model.get(head, {}).pop('num_classes', None)
            networks.setdefault(json.dumps(model, sort_keys=True, default=str), cfg)
    return list(networks.values())


@pytest.mark.parametrize('name', METHODS_AND_ENCODERS)
def test_the_networks_train(name: str, tmp_path: Path) -> None:
    for cfg in distinct_networks(name):
        if 'teacher' in cfg.model:
            cfg.model.teacher_checkpoint = str(tmp_path / 'teacher.pth')
            torch.save(MODELS.build(cfg.model.teacher).state_dict(), cfg.model.teacher_checkpoint)
        model = MODELS.build(cfg.model)
        model.init_weights()
        labels = torch.randint(0, model.num_classes, (2, 1, *IMAGE))
        samples = [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]
        losses = model(torch.randn(2, 3, *IMAGE), samples, mode='loss')
        sum(value for key, value in losses.items() if 'loss' in key).backward()
        assert [key for key, p in model.named_parameters() if p.grad is None] == [], cfg.filename
        assert all(value.isfinite() for value in losses.values()), cfg.filename


@pytest.mark.parametrize('path', CONFIGS)
def test_the_data_sets_and_pipelines_build(path: Path) -> None:
    cfg = load(path)
    for loader in (cfg.train_dataloader, cfg.val_dataloader, cfg.test_dataloader):
        for _, dataset in leaf_datasets('', loader.dataset):
            if 'ann_file' in dataset or dataset.type == 'iSAIDDataset':  # these classes of mmseg insist on the files
                Compose(dataset.pipeline)
            else:
                DATASETS.build(dataset | dict(lazy_init=True))
    Compose(cfg.tta_pipeline)


@pytest.mark.parametrize('path', CONFIGS)
def test_the_optimiser_builds_and_the_header_tells_the_costs_and_the_command(path: Path) -> None:
    cfg = load(path)
    model = MODELS.build(cfg.model)
    optim_wrapper = build_optim_wrapper(model, cfg.optim_wrapper)  # its custom keys match parameters
    for scheduler in cfg.param_scheduler:
        PARAM_SCHEDULERS.build(scheduler, default_args=dict(optimizer=optim_wrapper))
    text = path.read_text()
    stated = re.search(r'^# ([\d.]+) M parameters, ([\d.]+) GMACs at (\d+)x(\d+)\.', text, re.MULTILINE)
    assert stated, 'no line "# … M parameters, … GMACs at HxW."'
    complexity = count_complexity(model, (int(stated[3]), int(stated[4])))
    assert float(stated[1]) == pytest.approx(complexity.parameters['model'] / 1e6, abs=0.006)
    assert float(stated[2]) == pytest.approx(complexity.macs['model'] / 1e9, abs=0.006)
    assert re.search(rf'^# .*{re.escape(path.relative_to(REPOSITORY).as_posix())}', text, re.MULTILINE)


@pytest.mark.parametrize('path', CONFIGS)
def test_data_and_model_agree(path: Path) -> None:
    cfg = load(path)
    kind = DATASETS.get(cfg.dataset_type)
    assert cfg.model.decode_head.num_classes == cfg.num_classes == len(kind.METAINFO['classes'])
    assert tuple(cfg.model.data_preprocessor.size) == tuple(cfg.crop_size)
    schedule = cfg.param_scheduler
    assert all(first.end == second.begin for first, second in pairwise(schedule))
    assert schedule[-1].end == cfg.train_cfg.max_iters


@pytest.mark.parametrize('path', [param for param in CONFIGS if param.values[0].parent.name == 'ablations'])
def test_an_ablation_differs_from_scaseg_in_its_head_alone(path: Path) -> None:
    setting = path.stem.partition('_')[2]
    cfg, base = load(path).to_dict(), load(REPOSITORY / f'configs/scaseg/scaseg_{setting}.py').to_dict()
    head, scaseg_head = cfg['model'].pop('decode_head'), base['model'].pop('decode_head')
    assert cfg == base
    assert head != scaseg_head
    assert head['num_classes'] == scaseg_head['num_classes']
    if not path.stem.startswith('linear_'):  # which keeps the levels as they are
        assert head.get('channels', head.get('embed_dims')) == scaseg_head['channels']


@pytest.mark.parametrize('path', CONFIGS)
def test_the_name_says_what_is_inside(path: Path) -> None:
    """{method}_{encoder}_{gpus}xb{batch}-{schedule}_{dataset}-{crop}, as in mmseg."""
    cfg = load(path)
    name = re.fullmatch(r'[a-z0-9-]+_[a-z0-9-]+_(\d+)xb(\d+)-(\d+)(k|it)_[a-z0-9-]+-(\d+)x(\d+)', path.stem)
    assert name, path.stem
    assert int(name[2]) == cfg.train_dataloader.batch_size
    assert int(name[3]) * (1000 if name[4] == 'k' else 1) == cfg.train_cfg.max_iters
    assert (int(name[5]), int(name[6])) == tuple(cfg.crop_size)
