"""The keys for speed and memory change neither predictions, nor gradients, nor the statistics of norms."""

import copy
from collections.abc import Sequence

import pytest
import torch
from mmengine.structures import PixelData
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm

from scaseg.engine.network_options import (
    compile_network,
    fold_conv_bn,
    prepare_network,
    recompute_activations,
)
from scaseg.errors import UserError

CHANNELS, CLASSES = [8, 16, 24, 32], 7
BN = dict(type='BN')
HEADS = {
    'ATMHead': dict(embed_dims=16, num_heads=4, num_layers=1),
    'HamburgerHead': dict(channels=16, hamburger=dict(rank=4), norm_cfg=dict(type='GN', num_groups=4)),
    'LightFusionHead': dict(embed_dims=[16, 16, 16], norm_cfg=BN),
    'RCCAHead': dict(in_index=[0, 1, 2, 3], input_transform='resize_concat', channels=16, norm_cfg=BN),
    'SCASegHead': dict(channels=16, num_heads=[1, 2, 4, 8], norm_cfg=BN),
    'SEAHead': dict(channels=16, num_heads=[1, 2, 4, 8], norm_cfg=BN),
    'SegFormerMLPHead': dict(channels=16, norm_cfg=BN),
    'SegformerHead': dict(in_index=[0, 1, 2, 3], channels=16, norm_cfg=BN),
}
MSCAN = dict(
    type='MSCAN',
    embed_dims=CHANNELS,
    mlp_ratios=[2, 2, 2, 2],
    depths=[1, 1, 1, 1],
    drop_path_rate=0.3,
    norm_cfg=BN,
)


def build(head: str = 'SCASegHead', backbone: dict = MSCAN, channels: Sequence[int] = CHANNELS) -> BaseSegmentor:
    """A model whose norms have statistics and weights that do something."""
    head_cfg = dict(type=head, in_channels=channels, num_classes=CLASSES, **HEADS[head])
    model = MODELS.build(dict(type='LeanEncoderDecoder', backbone=copy.deepcopy(backbone), decode_head=head_cfg))
    for module in model.modules():
        if isinstance(module, _BatchNorm):
            nn.init.normal_(module.running_mean)
            nn.init.uniform_(module.running_var, 0.5, 2.0)
            nn.init.uniform_(module.weight, 0.5, 2.0)
            nn.init.normal_(module.bias)
    return model


def samples(batch: int, size: tuple[int, int]) -> list[SegDataSample]:
    labels = torch.randint(0, CLASSES, (batch, 1, *size))
    return [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


@pytest.mark.parametrize('head', HEADS)
def test_folding_changes_no_prediction(head: str) -> None:
    model, image = build(head).eval(), torch.randn(1, 3, 65, 97)
    with torch.no_grad():
        expected = model(image, mode='tensor')
        gone = fold_conv_bn(model)
        torch.testing.assert_close(model(image, mode='tensor'), expected, rtol=1e-4, atol=1e-5)
    assert {'backbone.patch_embed1.proj.1', 'backbone.patch_embed2.norm'} <= set(gone)
    assert not any(isinstance(model.get_submodule(name), _BatchNorm) for name in gone)
    assert not any(name.startswith('backbone.block') for name in gone)  # those norms come before convolutions


def test_norms_of_timm_leave_their_activation_behind() -> None:
    encoder = dict(type='TIMMFeatures', model_name='tf_mobilenetv3_small_minimal_100', out_indices=(1, 2, 3, 4))
    model, image = build('SCASegHead', encoder, [16, 24, 48, 576]).eval().double(), torch.randn(1, 3, 65, 97).double()
    norms = sum(isinstance(module, _BatchNorm) for module in model.backbone.modules())
    with torch.no_grad():
        expected = model.extract_feat(image)
        gone = fold_conv_bn(model)
        torch.testing.assert_close(model.extract_feat(image), expected, rtol=1e-9, atol=1e-9)
    assert sum(name.startswith('backbone.') for name in gone) == norms


def test_a_convolution_that_others_read_too_keeps_its_norm() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.first, self.norm = nn.Conv2d(3, 8, 1), nn.BatchNorm2d(8)
            self.second, self.other = nn.Conv2d(8, 8, 1), nn.BatchNorm2d(8)

        def forward(self, x: Tensor) -> list[Tensor]:
            x = self.first(x)
            x = x + self.norm(x)
            return [self.other(self.second(x))]

    model = build('SCASegHead')
    model.backbone, model.decode_head = Twice(), nn.Sequential()
    model.decode_head.forward = lambda levels: levels[0]
    assert fold_conv_bn(model) == ['backbone.other']


@pytest.mark.parametrize('head', HEADS)
def test_recomputing_changes_no_gradient_and_no_statistic(head: str) -> None:
    model = build(head).train()
    twin = copy.deepcopy(model)
    blocks = recompute_activations(twin)
    assert 'backbone.block1.0' in blocks
    image, data_samples = torch.randn(2, 3, 65, 97), samples(2, (65, 97))
    results = []
    for net in (model, twin):
        torch.manual_seed(1)  # DropPath and dropout
        losses = net(image, data_samples, mode='loss')
        net.parse_losses(losses)[0].backward()
        results.append(([p.grad for p in net.parameters()], dict(net.named_buffers())))
    (gradients, buffers), (twin_gradients, twin_buffers) = results
    torch.testing.assert_close(twin_gradients, gradients, rtol=0, atol=0)
    torch.testing.assert_close(twin_buffers, buffers, rtol=0, atol=0)


def test_what_is_recomputed_is_not_kept() -> None:
    kept = []
    for names in ((), ('backbone.block1', 'decode_head.blocks')):
        model, tensors = build().train(), []
        if names:
            assert recompute_activations(model, names) == [
                'backbone.block1.0',
                *(f'decode_head.blocks.{i}' for i in range(4)),
            ]
        keep = lambda x, tensors=tensors: tensors.append(x.numel()) or x  # noqa: E731
        with torch.autograd.graph.saved_tensors_hooks(keep, lambda x: x):
            model(torch.randn(2, 3, 64, 64), mode='tensor')
        kept.append(sum(tensors))
    assert kept[1] < 0.7 * kept[0]


def test_blocks_of_timm_encoders_are_found() -> None:
    backbone = dict(type='TIMMFeatures', model_name='convnext_atto', depths=(2, 1, 1, 1), dims=CHANNELS)
    blocks = recompute_activations(build(backbone=backbone))
    assert 'backbone.features.stages_0.blocks.1' in blocks and 'decode_head.blocks.3' in blocks


class Pyramid(nn.Module):
    """An encoder that is compiled in no time."""

    def __init__(self) -> None:
        super().__init__()
        channels = zip([3, *CHANNELS], CHANNELS, [4, 2, 2, 2], strict=False)
        self.stages = nn.ModuleList(
            nn.Sequential(nn.Conv2d(c, out, stride, stride), nn.BatchNorm2d(out), nn.ReLU())
            for c, out, stride in channels
        )

    def forward(self, x: Tensor) -> list[Tensor]:
        levels = []
        for stage in self.stages:
            x = stage(x)
            levels.append(x)
        return levels


def test_one_compiled_network_trains_and_predicts() -> None:
    graphs = []

    def backend(graph: torch.fx.GraphModule, inputs: list[Tensor]) -> torch.fx.GraphModule:
        graphs.append(graph)
        return graph

    model = build('ATMHead')
    model.backbone = Pyramid()
    image, data_samples = torch.randn(2, 3, 64, 64), samples(2, (64, 64))
    expected = model.eval()(image, mode='tensor')
    torch._dynamo.reset()
    compile_network(model, backend=backend)
    torch.testing.assert_close(model(image, mode='tensor'), expected)
    in_evaluation = len(graphs)
    assert in_evaluation >= 2  # encoder and head
    losses = model.train()(image, data_samples, mode='loss')
    model.parse_losses(losses)[0].backward()
    assert len(graphs) >= in_evaluation + 2
    assert all(p.grad is not None for p in model.parameters())


@pytest.mark.parametrize('value', ['banana', dict(backend='nope'), dict(speed=2)])
def test_what_cannot_be_compiled_names_the_key(value: object) -> None:
    with pytest.raises(UserError, match=r'^compile=.*(expected True|refuses these arguments)'):
        prepare_network(build(), dict(compile=value), training=False)


def test_what_is_compiled_may_be_recomputed() -> None:
    model = build('SegFormerMLPHead').train()
    model.backbone = Pyramid()
    twin = copy.deepcopy(model)
    assert recompute_activations(twin, ['backbone.stages']) == [f'backbone.stages.{i}' for i in range(4)]
    torch._dynamo.reset()
    compile_network(twin, backend='aot_eager')
    image = torch.randn(2, 3, 64, 64)
    for net in (model, twin):
        torch.manual_seed(1)
        net(image, mode='tensor').square().mean().backward()
    torch.testing.assert_close(dict(twin.named_buffers()), dict(model.named_buffers()))
    for (name, p), q in zip(model.backbone.named_parameters(), twin.backbone.parameters(), strict=True):
        torch.testing.assert_close(q.grad, p.grad, msg=name)


def test_names_that_the_model_does_not_have() -> None:
    with pytest.raises(UserError, match=r"recompute_activations: .* 'decode_head.block'"):
        recompute_activations(build(), ['decode_head.block'])


def test_nothing_is_folded_in_training_and_nothing_recomputed_in_a_test() -> None:
    cfg = dict(fold_conv_bn=True, recompute_activations=True, channels_last=True)
    model = build().train()
    prepare_network(model, cfg, training=True)
    assert isinstance(model.backbone.patch_embed1.proj[1], _BatchNorm)
    assert hasattr(model.decode_head.blocks[0].forward, '__wrapped__')
    assert model.decode_head.conv_seg.weight.is_contiguous(memory_format=torch.channels_last)
    model = build()
    prepare_network(model, cfg, training=False)
    assert isinstance(model.backbone.patch_embed1.proj[1], nn.Identity)
    assert not hasattr(model.decode_head.blocks[0].forward, '__wrapped__')
