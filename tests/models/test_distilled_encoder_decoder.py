"""Distillation: what is trained, what is kept, what is lost where."""

import copy
import math
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from scaseg.errors import UserError
from scaseg.models import DistilledEncoderDecoder, FeatureUpsampler, HalfResolutionEncoderDecoder
from scaseg.models.losses import feature_distance, log_probabilities, output_divergence

CHANNELS, CLASSES = [8, 16, 24, 32], 5
NORMALISATION = dict(type='SegDataPreProcessor', mean=[127.0] * 3, std=[60.0] * 3)
ENCODER = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(1, 1, 1, 1), dims=tuple(CHANNELS))
SCASEG = dict(type='SCASegHead', in_channels=CHANNELS, num_heads=[1, 2, 4, 8], channels=16, num_classes=CLASSES)
ATM = dict(type='ATMHead', in_channels=CHANNELS, embed_dims=16, num_heads=2, num_layers=1, num_classes=CLASSES)
HAMBURGER = dict(type='HamburgerHead', in_channels=CHANNELS[1:], in_index=[1, 2, 3], channels=16)
HAMBURGER |= dict(hamburger=dict(rank=4))
HAMBURGER |= dict(num_classes=CLASSES, norm_cfg=dict(type='BN'))
NECK = dict(type='FeatureUpsampler', in_channels=CHANNELS)
TERMS = [f'distill.loss_{name}' for name in ('feature', 'cross', 'output')]


def segmentor(head: dict, **settings: object) -> dict:
    parts = dict(backbone=ENCODER, decode_head=head, data_preprocessor=NORMALISATION, test_cfg=dict(mode='whole'))
    return copy.deepcopy(dict(type='LeanEncoderDecoder') | parts | settings)


def build(
    folder: Path, head: dict = SCASEG, teacher: dict | None = None, **settings: object
) -> DistilledEncoderDecoder:
    """A student with its teacher, whose checkpoint lies in ``folder``."""
    teacher = teacher or segmentor(SCASEG)
    checkpoint = folder / 'teacher.pth'
    if not checkpoint.exists():
        torch.save(MODELS.build(teacher).state_dict(), checkpoint)
    settings = dict(neck=NECK, teacher=teacher, teacher_checkpoint=str(checkpoint)) | settings
    model = MODELS.build(segmentor(head, type='DistilledEncoderDecoder', **settings))
    model.init_weights()
    return model


def batch(size: tuple[int, int] = (64, 96)) -> tuple[Tensor, list[SegDataSample]]:
    labels = torch.randint(0, CLASSES, (2, 1, *size))
    labels[..., :7] = 255
    return torch.randn(2, 3, *size), [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def snapshot(module: nn.Module) -> dict[str, Tensor]:
    return {name: tensor.clone() for name, tensor in module.state_dict().items()}


def assert_same(first: dict[str, Tensor], second: dict[str, Tensor]) -> None:
    assert list(first) == list(second)
    for name, tensor in first.items():
        assert torch.equal(tensor, second[name]), name


def test_the_student_learns_and_the_teacher_stays(tmp_path: Path) -> None:
    model = build(tmp_path).train()
    before, student = snapshot(model.teacher), snapshot(model)
    assert_same(before, torch.load(tmp_path / 'teacher.pth'))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    losses = model.loss(*batch())
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    optimizer.step()
    model.train()
    assert not any(module.training for module in model.teacher.modules())
    assert all(p.grad is None and not p.requires_grad for p in model.teacher.parameters())
    assert_same(before, snapshot(model.teacher))
    assert not torch.equal(student['decode_head.conv_seg.weight'], model.decode_head.conv_seg.weight)


def test_its_state_is_that_of_the_student_alone(tmp_path: Path) -> None:
    model = build(tmp_path).eval()
    plain: HalfResolutionEncoderDecoder = MODELS.build(
        segmentor(SCASEG, type='HalfResolutionEncoderDecoder', neck=NECK)
    )
    plain.load_state_dict(model.state_dict())
    images = torch.randn(1, 3, 64, 96)
    with torch.no_grad():
        assert torch.equal(plain.eval()(images), model(images))
    assert {name.split('.')[0] for name in model.state_dict()} == {'backbone', 'neck', 'decode_head'}
    assert [name for name, _ in model.named_parameters()] == [name for name, _ in plain.named_parameters()]


@pytest.mark.parametrize('size', [(64, 96), (65, 97)], ids=str)
def test_every_term_is_what_it_is_said_to_be(tmp_path: Path, size: tuple[int, int]) -> None:
    """In evaluation, where the same forward gives the same maps again."""
    weights = dict(feature_weight=2.0, cross_weight=3.0, output_weight=5.0)
    model = build(tmp_path, **weights).eval()
    images, samples = batch(size)
    labels = torch.cat([sample.gt_sem_seg.data for sample in samples])
    with torch.no_grad():
        losses = model.loss(images, samples)
        targets = model.teacher.extract_feat(images)
        features = model.extract_feat(images)
        features = [
            F.interpolate(x, size=t.shape[-2:], mode='bilinear') for x, t in zip(features, targets, strict=True)
        ]
        logits, target_logits = model.decode_head(features), model.teacher.decode_head(targets)
        crossed = F.interpolate(model.teacher.decode_head(features), size=size, mode='bilinear')
    cross = F.cross_entropy(crossed, labels, ignore_index=255, reduction='none').mean()
    output = F.kl_div(logits.log_softmax(1), target_logits.softmax(1), reduction='none').sum(1).mean()
    task = F.cross_entropy(
        F.interpolate(logits, size=size, mode='bilinear'), labels, reduction='none', ignore_index=255
    )
    torch.testing.assert_close(losses['decode.loss_ce'], task.mean())
    for name, expected in zip(TERMS, (2 * feature_distance(features, targets), 3 * cross, 5 * output), strict=True):
        torch.testing.assert_close(losses[name], expected, rtol=1e-4, atol=1e-5)


def test_feature_distance_is_a_mean_of_cosines() -> None:
    student, teacher = ([torch.randn(2, 4, 3, 2), torch.randn(2, 6, 2, 1)] for _ in range(2))
    levels = []
    for own, target in zip(student, teacher, strict=True):
        angles = []
        for b, y, x in ((b, y, x) for b in range(2) for y in range(own.shape[2]) for x in range(own.shape[3])):
            s, t = own[b, :, y, x], target[b, :, y, x]
            angles.append(1 - float(s @ t) / math.sqrt(float(s @ s) * float(t @ t)))
        levels.append(sum(angles) / len(angles))
    assert feature_distance(student, teacher).item() == pytest.approx(sum(levels) / 2, abs=1e-6)


@pytest.mark.parametrize('gives_probabilities', [False, True], ids=['logits', 'probabilities'])
def test_output_divergence_is_a_mean_over_positions(gives_probabilities: bool) -> None:
    student, teacher = (torch.rand(2, 4, 3, 2) for _ in range(2))
    total = 0.0
    for b, y, x in ((b, y, x) for b in range(2) for y in range(3) for x in range(2)):
        q, p = student[b, :, y, x].tolist(), teacher[b, :, y, x].tolist()
        if not gives_probabilities:
            q, p = map(math.exp, q), map(math.exp, p)
        q, p = list(q), list(p)
        total += sum(pc / sum(p) * math.log((pc / sum(p)) / (qc / sum(q))) for pc, qc in zip(p, q, strict=True))
    logs = [log_probabilities(output, gives_probabilities) for output in (student, teacher)]
    assert output_divergence(*logs).item() == pytest.approx(total / 12, rel=1e-5)


def test_probabilities_of_zero_stay_finite() -> None:
    output = torch.zeros(1, 3, 1, 1, requires_grad=True)
    log_probabilities(output, gives_probabilities=True)[0, 0].sum().backward()
    assert output.grad.isfinite().all()


@pytest.mark.parametrize('student, teacher', [(HAMBURGER, SCASEG), (SCASEG, ATM), (ATM, HAMBURGER)])
def test_any_two_heads(tmp_path: Path, student: dict, teacher: dict) -> None:
    model = build(tmp_path, student, segmentor(teacher))
    losses = model.loss(*batch())
    assert all(losses[name].isfinite() and losses[name] > 0 for name in TERMS)
    sum(value for name, value in losses.items() if 'loss' in name).backward()
    assert [name for name, p in model.named_parameters() if p.grad is None] == []
    assert model(torch.randn(1, 3, 64, 96)).shape[:2] == (1, CLASSES)


def test_a_crop_without_labels_has_finite_losses(tmp_path: Path) -> None:
    images, samples = batch()
    for sample in samples:
        sample.gt_sem_seg.data.fill_(255)
    assert all(value.isfinite() for value in build(tmp_path).loss(images, samples).values())


def test_a_half_resolution_segmentor_has_the_usual_output() -> None:
    settings = dict(type='HalfResolutionEncoderDecoder')
    with_neck, without = (MODELS.build(segmentor(SCASEG, neck=neck, **settings)).eval() for neck in (NECK, None))
    images = torch.randn(1, 3, 64, 96)
    assert with_neck(images).shape[-2:] == MODELS.build(segmentor(SCASEG)).eval()(images).shape[-2:] == (16, 24)
    assert without(images).shape[-2:] == (8, 12)
    halved = images.unflatten(-1, (-1, 2)).unflatten(-3, (-1, 2)).mean(dim=(-1, -3))
    expected = with_neck.neck(with_neck.backbone(halved))
    for level, own in zip(expected, with_neck.extract_feat(images), strict=True):
        torch.testing.assert_close(own, level, rtol=1e-4, atol=1e-5)


def test_upsampling_is_a_correction_of_the_interpolation() -> None:
    neck = FeatureUpsampler([4, 6])
    maps = [torch.randn(2, 4, 5, 7), torch.randn(2, 6, 3, 4)]
    assert [x.shape[-2:] for x in neck(maps)] == [(10, 14), (6, 8)]
    for correction in neck.corrections:
        nn.init.zeros_(correction[-1].weight)
        nn.init.zeros_(correction[-1].bias)
    assert torch.equal(neck(maps)[0], F.interpolate(maps[0], scale_factor=2, mode='bilinear'))


@pytest.mark.parametrize('kind', ['RCCAHead', 'ATMHead', 'SCASegHead'])
def test_the_head_runs_once(tmp_path: Path, kind: str) -> None:
    """A head whose loss needs more than its map, too: else norms would see the batch twice, dropout draw anew."""
    loss = dict(loss_category=dict(type='CategoryConsistentLoss'))
    rcca = dict(type='RCCAHead', in_channels=32, in_index=3, channels=16, num_classes=CLASSES) | loss
    heads = {'RCCAHead': rcca | dict(norm_cfg=dict(type='BN')), 'ATMHead': ATM, 'SCASegHead': SCASEG}
    model = build(tmp_path, heads[kind]).train()
    calls: list[nn.Module] = []
    for module in model.decode_head.modules():
        module.register_forward_hook(lambda module, args, out: calls.append(module))
    inputs, samples = batch()
    model.loss(inputs, samples)
    distilled = len(calls)
    model.decode_head.loss(model.extract_feat(inputs), samples, None)
    assert len(calls) == 2 * distilled > 0


def test_a_map_of_one_channel_is_two_classes() -> None:
    logits = torch.randn(2, 1, 3, 4)
    expected = torch.cat([-F.softplus(logits), -F.softplus(-logits)], dim=1)
    torch.testing.assert_close(log_probabilities(logits, gives_probabilities=False), expected)


class TestErrors:
    def test_a_teacher_without_a_checkpoint(self, tmp_path: Path) -> None:
        with pytest.raises(UserError, match=r'model.teacher_checkpoint=.*nowhere\.pth.*train the teacher first'):
            build(tmp_path, teacher_checkpoint=str(tmp_path / 'nowhere.pth'))

    def test_a_checkpoint_of_another_model(self, tmp_path: Path) -> None:
        torch.save(MODELS.build(segmentor(HAMBURGER)).state_dict(), tmp_path / 'teacher.pth')
        with pytest.raises(UserError, match=r'does not fit model.teacher: missing in the file: .*decode_head'):
            build(tmp_path)

    def test_a_student_whose_levels_stay_half_as_large(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r'model\.neck: .* half as large .*FeatureUpsampler'):
            build(tmp_path, neck=None)
        model = build(tmp_path)
        model.neck = nn.Identity()
        with pytest.raises(UserError, match=r"model\.neck: .*\(8, 12\) where the teacher's is \(16, 24\)"):
            model.loss(*batch())

    def test_a_neck_of_other_channels(self, tmp_path: Path) -> None:
        model = build(tmp_path, neck=NECK | dict(in_channels=CHANNELS[1:]))
        with pytest.raises(UserError, match=r'neck\.in_channels=\[16, 24, 32\], but .*\[8, 16, 24, 32\]'):
            model.loss(*batch())

    def test_a_negative_weight(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r'model\.cross_weight=-1'):
            build(tmp_path, cross_weight=-1)

    def test_a_teacher_of_other_classes(self, tmp_path: Path) -> None:
        with pytest.raises(ValueError, match=r'model\.teacher has 7 classes, the student 5'):
            build(tmp_path, teacher=segmentor(SCASEG | dict(num_classes=7)))

    def test_a_teacher_of_another_library(self, tmp_path: Path) -> None:
        with pytest.raises(
            ValueError, match=r'model\.teacher\.type: expected LeanEncoderDecoder, found EncoderDecoder'
        ):
            build(tmp_path, teacher=segmentor(SCASEG, type='EncoderDecoder'))

    def test_a_file_without_weights(self, tmp_path: Path) -> None:
        torch.save({'epoch': 3}, tmp_path / 'teacher.pth')
        with pytest.raises(UserError, match=r'model\.teacher_checkpoint=.*: it holds no state dict'):
            build(tmp_path)

    def test_a_teacher_of_other_images(self, tmp_path: Path) -> None:
        other = segmentor(SCASEG, data_preprocessor=NORMALISATION | dict(std=[1.0] * 3))
        with pytest.raises(ValueError, match=r'data_preprocessor normalises by .*1\.0.*, the student by .*60\.0'):
            build(tmp_path, teacher=other)

    def test_encoders_of_other_levels(self, tmp_path: Path) -> None:
        narrow = segmentor(SCASEG | dict(in_channels=[8, 16, 24, 40]), backbone=ENCODER | dict(dims=(8, 16, 24, 40)))
        model = build(tmp_path, teacher=narrow)
        with pytest.raises(
            UserError, match=r'teacher gives maps of \[8, 16, 24, 40\] channels, the one of the student'
        ):
            model.loss(*batch())
