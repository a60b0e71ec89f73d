"""CrissCrossAttention and RCCAHead: what recurrence reaches, mmseg's checkpoints, the category-consistent loss."""

from pathlib import Path

import pytest
import torch
from mmengine.config import Config
from mmengine.structures import PixelData
from mmseg.models.decode_heads import CCHead, cc_head
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from scaseg.benchmarking import count_complexity
from scaseg.errors import UserError
from scaseg.models import RCCAHead
from scaseg.models.layers import CrissCrossAttention
from scaseg.ops.criss_cross.naive import criss_cross as naive

CLASSES = 5
CONFIGS = Path(__file__).parents[2] / 'configs/ccnet'


def build(**changes: object) -> RCCAHead:
    cfg = dict(
        in_channels=24, in_index=0, channels=16, num_classes=CLASSES, norm_cfg=dict(type='BN'), dropout_ratio=0.0
    )
    head = MODELS.build(dict(type='RCCAHead') | cfg | changes)
    head.init_weights()
    torch.nn.init.constant_(head.cca.gamma.scale, 0.5)
    return head


def sample() -> list[SegDataSample]:
    return [SegDataSample(gt_sem_seg=PixelData(data=torch.randint(0, CLASSES, (1, 40, 56)))) for _ in range(2)]


def test_attention_starts_as_the_identity() -> None:
    x = torch.randn(2, 16, 5, 7)
    assert torch.equal(CrissCrossAttention(16)(x), x)


def test_attention_is_residual_and_unscaled() -> None:
    layer = CrissCrossAttention(16).double()
    torch.nn.init.constant_(layer.gamma.scale, 0.5)
    x = torch.randn(2, 16, 5, 7, dtype=torch.float64)
    expected = x + 0.5 * naive(layer.query_conv(x), layer.key_conv(x), layer.value_conv(x))
    assert layer.query_conv.out_channels == layer.key_conv.out_channels == 2
    torch.testing.assert_close(layer(x), expected, rtol=1e-12, atol=1e-12)


def test_too_few_channels_for_queries() -> None:
    with pytest.raises(ValueError, match='channels=7'):
        CrissCrossAttention(7)


@pytest.mark.parametrize('recurrence', [1, 2])
def test_one_pass_sees_a_cross_and_two_see_everything(recurrence: int) -> None:
    layer = CrissCrossAttention(16).double()
    torch.nn.init.constant_(layer.gamma.scale, 0.5)
    x = torch.randn(1, 16, 5, 7, dtype=torch.float64, requires_grad=True)
    out = x
    for _ in range(recurrence):
        out = layer(out)
    out[0, :, 3, 2].sum().backward()
    seen = x.grad[0].abs().sum(0) > 0
    cross = torch.zeros(5, 7, dtype=torch.bool)
    cross[3], cross[:, 2] = True, True
    assert torch.equal(seen, cross if recurrence == 1 else torch.ones_like(cross))


def test_recurrence_shares_its_weights() -> None:
    shapes = {name: tensor.shape for name, tensor in build(recurrence=1).state_dict().items()}
    assert {name: tensor.shape for name, tensor in build(recurrence=3).state_dict().items()} == shapes


def test_recurrence_of_the_attention_between_the_convolutions() -> None:
    head, x = build(recurrence=2).eval(), torch.randn(2, 24, 5, 7)
    attended = head.cca(head.cca(head.convs[0](x)))
    expected = head.conv_seg(head.conv_cat(torch.cat([x, head.convs[1](attended)], dim=1)))
    torch.testing.assert_close(head([x]), expected)


class MmcvAttention(CrissCrossAttention):
    """What mmcv's module computes, for mmseg's head, which needs a compiled package to import it."""

    def forward(self, x: Tensor) -> Tensor:
        return x + self.gamma(naive(self.query_conv(x), self.key_conv(x), self.value_conv(x)))


def test_checkpoints_of_mmsegs_head_load(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cc_head, 'CrissCrossAttention', MmcvAttention)
    theirs = CCHead(in_channels=24, in_index=0, channels=16, num_classes=CLASSES, norm_cfg=dict(type='BN')).eval()
    torch.nn.init.constant_(theirs.cca.gamma.scale, 0.5)
    ours = build().eval()
    ours.load_state_dict(theirs.state_dict())
    x = torch.randn(2, 24, 5, 7)
    torch.testing.assert_close(ours([x]), theirs([x]), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('depth, parameters, quoted', [(50, 49.93, 201.45), (101, 68.92, 279.24)])
def test_costs_are_those_of_mmsegs_models(depth: int, parameters: float, quoted: float) -> None:
    """Millions, auxiliary head included, and billions, by mmengine's counter."""
    cfg = Config.fromfile(CONFIGS / f'ccnet_r{depth}-d8_4xb4-160k_ade20k-512x512.py')
    complexity = count_complexity(MODELS.build(cfg.model), (512, 512))
    assert complexity.parameters['model'] / 1e6 == pytest.approx(parameters, rel=1e-3)
    assert complexity.quoted['model'] / 1e9 == pytest.approx(quoted, rel=1e-3)


def test_the_loss_is_taken_at_the_output_of_the_attention() -> None:
    head = build(loss_category=dict(type='CategoryConsistentLoss'), category_channels=4)
    x, samples, seen = torch.randn(2, 24, 5, 7), sample(), []
    head.cca.register_forward_hook(lambda module, args, out: seen.append(out))
    losses = head.loss([x], samples, {})
    labels = torch.stack([s.gt_sem_seg.data for s in samples])
    expected = head.loss_category(head.category_conv(seen[-1]), labels, CLASSES)
    assert {name: losses[name] for name in expected} == expected
    assert set(losses) == {'loss_ce', 'acc_seg', *expected}
    assert head.category_conv.weight.shape[:2] == (4, 16)


def test_without_the_loss_there_is_nothing_of_it() -> None:
    head = build()
    assert set(head.loss([torch.randn(2, 24, 5, 7)], sample(), {})) == {'loss_ce', 'acc_seg'}
    assert not [name for name, _ in head.named_parameters() if 'category' in name]


def test_hard_examples_alone_give_gradients() -> None:
    """As in the OHEM config: pixels that are right beyond the threshold count for nothing."""
    head = build(loss_decode=dict(type='OHEMCrossEntropyLoss', thresh=0.7, min_kept=2))
    logits = torch.zeros(1, CLASSES, 4, 6)
    logits[:, 0, :, :3] = 20.0
    logits.requires_grad_()
    data = torch.zeros(1, 4, 6, dtype=torch.long)
    head.loss_by_feat(logits, [SegDataSample(gt_sem_seg=PixelData(data=data))])['loss_ohem'].backward()
    touched = logits.grad.abs().sum(dim=(0, 1)) > 0
    assert torch.equal(touched, torch.arange(6).expand(4, 6) >= 3)


def test_a_map_of_another_encoder_is_refused() -> None:
    with pytest.raises(UserError, match=r'in_channels=\[24\], but the encoder gives maps of \[32\] channels'):
        build()([torch.randn(2, 32, 5, 7)])


@pytest.mark.parametrize(
    'arguments, message',
    [
        (dict(recurrence=0), r'recurrence=0: .*FCNHead'),
        (dict(recurrence=1.5), r'recurrence=1\.5'),
        (dict(recurrence='2'), "recurrence='2'"),
        (dict(num_convs=3), 'no num_convs'),
        (dict(in_channels=[24], in_index=[0], input_transform='multiple_select'), "no 'multiple_select'"),
        (dict(loss_category=dict(type='CrossEntropyLoss')), "loss_category.type='CrossEntropyLoss'"),
    ],
    ids=str,
)
def test_arguments_that_do_not_fit(arguments: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**arguments)


def test_several_levels_are_named_as_the_config_names_them() -> None:
    head = build(in_channels=[8, 16], in_index=[0, 1], input_transform='resize_concat')
    with pytest.raises(UserError, match=r'in_channels=\[8, 16\], but the encoder gives maps of \[8, 12\] channels'):
        head([torch.randn(1, 8, 9, 9), torch.randn(1, 12, 5, 5)])
