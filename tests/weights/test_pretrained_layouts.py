"""Key conversions: a state dict in an official layout must give the encoder the very same function."""

import re

import pytest
import timm
import torch
from mmseg.models.backbones import MSCAN, MixVisionTransformer
from timm.models.convnext import checkpoint_filter_fn as timm_convnext_filter
from timm.models.swin_transformer import checkpoint_filter_fn as timm_swin_filter
from torch import Tensor, nn

from scaseg.errors import UserError
from scaseg.weights.layouts import to_encoder_layout, unwrap

IMAGE = (2, 3, 64, 64)


def small_mit() -> nn.Module:
    return MixVisionTransformer(
        embed_dims=8, num_layers=(1, 2, 1, 1), num_heads=(1, 2, 2, 4), sr_ratios=(4, 2, 2, 1), drop_path_rate=0.1
    )


def small_mscan() -> nn.Module:
    return MSCAN(embed_dims=[8, 16, 16, 24], mlp_ratios=[2, 2, 2, 2], depths=[1, 2, 1, 1], norm_cfg={'type': 'BN'})


def convnext(**options: object) -> nn.Module:
    return timm.create_model('convnext_atto', depths=(1, 2, 1, 1), dims=(8, 16, 24, 32), conv_mlp=False, **options)


def swin(**options: object) -> nn.Module:
    sizes = {'embed_dim': 12, 'depths': (1, 2, 1, 1), 'num_heads': (1, 2, 2, 4), 'img_size': 64, 'window_size': 2}
    return timm.create_model('swin_tiny_patch4_window7_224', **sizes, **options)


def efficientnet(**options: object) -> nn.Module:
    return timm.create_model('tf_efficientnet_lite0', **options)


def randomise(module: nn.Module) -> nn.Module:
    """Other values than the initialisation in every parameter and buffer, so that no two tensors are alike."""
    torch.manual_seed(7)
    for tensor in module.state_dict().values():
        if tensor.is_floating_point():
            tensor.copy_(torch.rand_like(tensor) * 0.1 + 0.01)  # positive: some are variances
    return module.eval()


def official_mit(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """mmseg's MixVisionTransformer written as NVlabs/SegFormer publishes it."""
    names = {
        'attn.attn.out_proj.': 'attn.proj.',
        'ffn.layers.0.': 'mlp.fc1.',
        'ffn.layers.1.': 'mlp.dwconv.dwconv.',
        'ffn.layers.4.': 'mlp.fc2.',
        'projection.': 'proj.',
    }
    parts = {'0': 'patch_embed', '1': 'block', '2': 'norm'}
    official = {}
    for name, tensor in tensors.items():
        _, stage, slot, rest = name.split('.', 3)
        for ours, theirs in names.items():
            rest = rest.replace(ours, theirs)
        name = f'{parts[slot]}{int(stage) + 1}.{rest}'
        if 'in_proj_' in name:
            channels = len(tensor) // 3
            official[name.replace('attn.in_proj_', 'q.')] = tensor[:channels]
            official[name.replace('attn.in_proj_', 'kv.')] = tensor[channels:]
        else:
            linear = re.search(r'mlp\.fc\d\.weight', name)
            official[name] = tensor[:, :, 0, 0] if linear else tensor
    return official | {'head.weight': torch.rand(10, 32), 'head.bias': torch.rand(10)}


def official_mscan(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    return {name.replace('mlp.dwconv.', 'mlp.dwconv.dwconv.'): tensor for name, tensor in tensors.items()}


def official_swin(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A whole timm Swin written as microsoft/Swin-Transformer publishes it."""
    official = {
        re.sub(r'layers\.(\d)\.downsample', lambda stage: f'layers.{int(stage[1]) - 1}.downsample', name).replace(
            'head.fc.', 'head.'
        ): tensor
        for name, tensor in tensors.items()
    }
    return official | {'layers.0.blocks.0.attn.relative_position_index': torch.zeros(4, 4)}


def official_convnext(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    """A whole timm ConvNeXt written as facebookresearch/ConvNeXt publishes it."""
    rules = {
        r'^stem\.': 'downsample_layers.0.',
        r'^stages\.(\d)\.downsample\.': r'downsample_layers.\1.',
        r'^stages\.(\d)\.blocks\.': r'stages.\1.',
        r'conv_dw': 'dwconv',
        r'mlp\.fc': 'pwconv',
        r'head\.norm': 'norm',
        r'head\.fc': 'head',
    }
    official = {}
    for name, tensor in tensors.items():
        for ours, theirs in rules.items():
            name = re.sub(ours, theirs, name)
        official[name] = tensor
    return official


def assert_same_function(source: nn.Module, content: object, target: nn.Module) -> None:
    """``target`` filled from ``content`` computes what ``source`` computes."""
    converted = to_encoder_layout(content, target.state_dict())
    own = set(target.state_dict())
    target.load_state_dict({name: tensor for name, tensor in converted.items() if name in own})
    images = torch.rand(IMAGE)
    with torch.no_grad():
        for expected, found in zip(source.eval()(images), target.eval()(images), strict=True):
            torch.testing.assert_close(found, expected, rtol=0, atol=0)


@pytest.mark.parametrize(
    ('build', 'official'), [(small_mit, official_mit), (small_mscan, official_mscan)], ids=['mit', 'mscan']
)
def test_an_official_file_gives_the_mmseg_encoder_the_same_function(build, official):
    source = randomise(build())
    tensors = official(source.state_dict())
    assert set(tensors) != set(source.state_dict())
    assert_same_function(source, tensors, build())


@pytest.mark.parametrize('build', [small_mit, small_mscan, lambda: convnext(features_only=True)])
def test_the_encoders_own_layout_passes_unchanged(build):
    source = randomise(build())
    converted = to_encoder_layout(source.state_dict(), build().state_dict())
    assert list(converted) == list(source.state_dict())
    assert_same_function(source, source.state_dict(), build())


@pytest.mark.parametrize(
    ('build', 'official', 'timm_filter'),
    [(swin, official_swin, timm_swin_filter), (convnext, official_convnext, timm_convnext_filter)],
    ids=['swin', 'convnext'],
)
class TestTimm:
    def test_a_whole_model_fills_its_features_only_form(self, build, official, timm_filter):
        whole, features = randomise(build()), build(features_only=True)
        converted = to_encoder_layout(whole.state_dict(), features.state_dict())
        expected = {name.replace('.', '_', 1): tensor for name, tensor in whole.state_dict().items()}
        for name, tensor in features.state_dict().items():
            assert name in converted and tensor.shape == converted[name].shape
            torch.testing.assert_close(converted[name], expected.get(name, whole.state_dict().get(name)))

    def test_the_outputs_are_those_of_the_whole_model(self, build, official, timm_filter):
        whole, features = randomise(build()), build(features_only=True)
        features.load_state_dict(
            {
                name: tensor
                for name, tensor in to_encoder_layout(whole.state_dict(), features.state_dict()).items()
                if name in features.state_dict()
            }
        )
        images = torch.rand(IMAGE)
        with torch.no_grad():
            expected = whole.forward_intermediates(images, intermediates_only=True, output_fmt='NCHW')
            for found, level in zip(features.eval()(images), expected, strict=True):
                found = found if found.shape == level.shape else found.permute(0, 3, 1, 2)
                torch.testing.assert_close(found, level)

    def test_the_authors_layout_is_read_as_timm_reads_it(self, build, official, timm_filter):
        whole = randomise(build())
        features = build(features_only=True).state_dict()
        theirs = {'model': official(whole.state_dict())}
        by_timm = timm_filter(theirs, whole)
        whole.load_state_dict(by_timm)  # the test's inverse mapping is right
        expected = to_encoder_layout(by_timm, features)
        found = to_encoder_layout(theirs, features)
        for name in features:
            torch.testing.assert_close(found[name], expected[name])


def test_a_getter_wrapper_is_filled():
    sizes = {'embed_dim': 16, 'depth': 2, 'num_heads': 2, 'img_size': 32}
    whole = randomise(timm.create_model('vit_tiny_patch16_224', **sizes))
    features = timm.create_model('vit_tiny_patch16_224', features_only=True, out_indices=(1,), **sizes)
    assert set(features.state_dict()) <= set(to_encoder_layout(whole.state_dict(), features.state_dict()))


@pytest.mark.parametrize('prefix', ['backbone.features.', 'module.backbone.timm_model.'])
def test_a_trained_segmentor_fills_a_bare_timm_encoder(prefix):
    features = randomise(convnext(features_only=True))
    checkpoint = {prefix + name: tensor for name, tensor in features.state_dict().items()}
    checkpoint[prefix.split('backbone')[0] + 'decode_head.conv_seg.weight'] = torch.zeros(2, 2)
    assert_same_function(features, {'state_dict': checkpoint}, convnext(features_only=True))


class TestEfficientNetByPosition:
    @staticmethod
    def foreign(whole: nn.Module) -> dict[str, Tensor]:
        """The tensors of timm's whole model under names that share nothing with timm's but the order."""
        names = [f'_blocks.{place}' for place in range(len(whole.state_dict()))]
        return dict(zip(['_conv_stem.weight', *names[1:]], whole.state_dict().values(), strict=True))

    def test_the_order_decides(self):
        whole = randomise(efficientnet())
        features = efficientnet(features_only=True, out_indices=(1, 2, 3, 4))
        tensors = self.foreign(whole)
        converted = to_encoder_layout(tensors, features.state_dict())
        for name in features.state_dict():
            torch.testing.assert_close(converted[name], whole.state_dict()[name])
        assert len(converted) == len(tensors), 'the head is left over, not lost'

    def test_another_shape_is_refused_with_both_names(self):
        features = efficientnet(features_only=True).state_dict()
        tensors = self.foreign(efficientnet())
        tensors['_blocks.12'] = torch.zeros(3, 3)
        with pytest.raises(UserError, match=r'_blocks\.12 \(3, 3\) would become blocks\.0\.0\.'):
            to_encoder_layout(tensors, features)


@pytest.mark.parametrize('keys', [('state_dict',), ('model',), ('model', 'state_dict'), ('state_dict_ema',), ()])
def test_containers_are_taken_off(keys):
    content: object = {'weight': torch.ones(2), 'epoch': 3}
    for key in keys:
        content = {key: content, 'meta': {'epoch': 3}}
    assert list(unwrap(content)) == ['weight']


def test_averaged_weights_go_before_the_last_ones():
    content = {'state_dict': {'weight': torch.zeros(1)}, 'state_dict_ema': {'weight': torch.ones(1)}}
    assert unwrap(content)['weight'] == 1


@pytest.mark.parametrize('content', [[1, 2], {'epoch': 3}, {'model': [torch.ones(1)]}, torch.ones(2)])
def test_content_without_a_state_dict_is_refused(content):
    with pytest.raises(UserError, match='no state dict'):
        unwrap(content)
