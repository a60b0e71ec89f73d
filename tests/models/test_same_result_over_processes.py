"""A training ends with the same weights on 1, 2 and 4 processes, if they share one global batch."""

import copy
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from mmengine.dist import get_dist_info
from mmengine.registry import init_default_scope
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from scaseg.models import DistilledEncoderDecoder

CHANNELS, CLASSES, ITERATIONS = [8, 16, 24, 32], 5, 20
LABELLED = dict(type='BatchCrossEntropyLoss', avg_non_ignore=True)
WEIGHTED = dict(class_weight=[1.0, 2.0, 0.5, 4.0, 1.0])
PLAIN = dict(in_channels=CHANNELS, channels=16, num_classes=CLASSES, norm_cfg=dict(type='GN', num_groups=4))
ATM = dict(in_channels=CHANNELS, embed_dims=16, num_heads=2, num_classes=CLASSES)
RCCA = PLAIN | dict(type='RCCAHead', in_index=[0, 1, 2, 3], input_transform='resize_concat')
SCASEG = PLAIN | dict(type='SCASegHead', num_heads=[1, 2, 4, 4])
# One head for each kind of loss: the heads themselves mix nothing between images.
HEADS = {
    'atm': ATM | dict(type='ATMHead', num_layers=1),
    'hamburger': PLAIN | dict(type='HamburgerHead', hamburger=dict(rank=4), loss_decode=LABELLED),
    'category-consistent': RCCA | dict(loss_category=dict(type='CategoryConsistentLoss')),
    'hard pixels': RCCA | dict(loss_decode=dict(type='OHEMCrossEntropyLoss', min_kept=9)),
    'scaseg': SCASEG | dict(loss_decode=dict(type='BatchCrossEntropyLoss', **WEIGHTED)),
    'in bands': SCASEG | dict(loss_decode=dict(type='BandedCrossEntropyLoss', **WEIGHTED)),
}
ENCODER = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(1, 1, 1, 1), dims=tuple(CHANNELS))
CASES = {2: [*HEADS, 'distillation'], 4: ['atm', 'hard pixels', 'in bands']}  # by number of processes
TEACHER = dict(type='LeanEncoderDecoder', backbone=ENCODER, decode_head=SCASEG, test_cfg=dict(mode='whole'))


class Segmentor(nn.Module):
    """Gives the sum of a model's losses, so that the wrapper for several processes sees a forward."""

    def __init__(self, model: nn.Module) -> None:
        super().__init__()
        self.model = model

    def forward(self, images: Tensor, samples: list[SegDataSample]) -> Tensor:
        losses = self.model.loss(images, samples)
        return sum(value for name, value in losses.items() if 'loss' in name)


def model_of(name: str, folder: Path) -> nn.Module:
    if name != 'distillation':
        return MODELS.build(TEACHER | dict(decode_head=copy.deepcopy(HEADS[name])))
    settings = dict(teacher=TEACHER, teacher_checkpoint=str(folder / 'teacher.pth'))
    neck = dict(type='FeatureUpsampler', in_channels=CHANNELS)
    return MODELS.build(copy.deepcopy(TEACHER | dict(type='DistilledEncoderDecoder', neck=neck) | settings))


def images_and_labels(size: int) -> tuple[Tensor, list[SegDataSample]]:
    """A global batch whose images have very unequal shares of ignored pixels, the last one no other."""
    labels = torch.randint(0, CLASSES, (4, 1, size // 8, size // 8)).repeat_interleave(8, 2).repeat_interleave(8, 3)
    for number, label in enumerate(labels):
        label[:, : size * number // 3] = 255
    return torch.randn(4, 3, size, size), [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def trained(folder: Path, names: Sequence[str]) -> dict[str, dict[str, Tensor]]:
    """Weights after a training of each head, on this process's share of the images."""
    init_default_scope('mmseg')
    rank, world_size = get_dist_info()
    weights = {}
    for name in names:
        torch.manual_seed(3)
        model = model_of(name, folder)
        model.init_weights()
        images, samples = images_and_labels(64 if name == 'distillation' else 32)  # the student sees half
        # No dropout, and norms of batches frozen; in float64, for hinges and roots make rounding grow over the steps.
        network = Segmentor(model.eval().double())
        if isinstance(model, DistilledEncoderDecoder):
            model.teacher.double()
        if world_size > 1:
            network = DistributedDataParallel(network)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.05)
        for _ in range(ITERATIONS):
            network(images[rank::world_size].double(), samples[rank::world_size]).backward()
            optimizer.step()
            optimizer.zero_grad()
        weights[name] = model.state_dict()
    return weights


@pytest.fixture(scope='module')
def runs(
    tmp_path_factory: pytest.TempPathFactory, in_processes: Callable[[int, Callable[[], object]], list[Any]]
) -> dict[int, dict[str, dict[str, Tensor]]]:
    folder = tmp_path_factory.mktemp('teacher')
    init_default_scope('mmseg')
    torch.save(MODELS.build(copy.deepcopy(TEACHER)).state_dict(), folder / 'teacher.pth')
    weights = {1: trained(folder, CASES[2])}
    return weights | {count: in_processes(count, partial(trained, folder, CASES[count]))[0] for count in CASES}


@pytest.mark.slow
@pytest.mark.parametrize(('processes', 'name'), [(count, name) for count, names in CASES.items() for name in names])
def test_weights_do_not_depend_on_the_number_of_processes(
    processes: int, name: str, runs: dict[int, dict[str, dict[str, Tensor]]]
) -> None:
    alone, several = runs[1][name], runs[processes][name]
    moved = torch.stack([x.abs().max() for x in several.values()])
    assert moved.isfinite().all()
    for key, x in alone.items():
        if x.is_floating_point():
            assert (several[key] - x).norm() <= 1e-5 * x.norm() + 1e-9, key
