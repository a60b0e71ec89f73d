"""PlainVisionTransformer and ShrunkVisionTransformer, at sizes that are not square."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.models.backbones import VisionTransformer
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.models import PlainVisionTransformer
from scaseg.weights.layouts import to_encoder_layout

SMALL = dict(embed_dims=24, num_layers=4, num_heads=3, img_size=(32, 48), out_indices=[1, 3], patch_size=8)


def build(kind: str = 'PlainVisionTransformer', **changes: object) -> PlainVisionTransformer:
    encoder = MODELS.build(dict(type=kind) | SMALL | changes)
    encoder.init_weights()
    return encoder.eval()


def mmseg_vit() -> VisionTransformer:
    encoder = VisionTransformer(
        img_size=(32, 48),
        patch_size=8,
        embed_dims=24,
        num_layers=4,
        num_heads=3,
        out_indices=[1, 3],
        with_cls_token=False,
        patch_bias=True,
        norm_cfg=dict(type='LN', eps=1e-6),
    )
    for parameter in encoder.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    encoder.train(False)
    return encoder


@pytest.mark.parametrize('image', [(32, 48), (40, 24), (29, 45)], ids=str)
def test_the_same_function_as_mmsegs(image: tuple[int, int]) -> None:
    """(29, 45) is padded; at (40, 24) position embeddings are resized."""
    theirs, ours = mmseg_vit(), build()
    state = theirs.state_dict()
    state['pos_embed'] = state['pos_embed'][:, 1:].transpose(1, 2).unflatten(2, (4, 6))
    ours.load_state_dict({name: state[name] for name in ours.state_dict()})
    x = torch.randn(2, 3, *image)
    with torch.no_grad():
        for found, expected in zip(ours(x), theirs(x), strict=True):
            torch.testing.assert_close(found, expected, rtol=1e-4, atol=1e-4)


def test_a_grid_of_as_many_tokens_but_another_shape_has_positions_of_its_own() -> None:
    encoder = build(img_size=(32, 32))
    with torch.no_grad():
        encoder.patch_embed.projection.weight.zero_()
        encoder.patch_embed.projection.bias.zero_()
    seen = []
    encoder.layers[0].register_forward_hook(lambda layer, args, out: seen.append(args[0]))
    encoder(torch.randn(1, 3, 16, 64))
    expected = F.interpolate(encoder.pos_embed, size=(2, 8), mode='bicubic', align_corners=False)
    torch.testing.assert_close(seen[0], expected.flatten(2).transpose(1, 2))


@pytest.mark.parametrize(('drop_attention', 'share'), [(False, 0.0), (True, 0.5)])
def test_stochastic_depth_drops_the_attention_branch_on_request(drop_attention: bool, share: float) -> None:
    encoder = build(drop_path_rate=0.5, num_layers=3, out_indices=[2], drop_attention=drop_attention)
    layer = encoder.layers[2].train()
    torch.nn.init.zeros_(layer.ffn.layers[1].weight)
    torch.nn.init.zeros_(layer.ffn.layers[1].bias)
    tokens = torch.randn(400, 2, 24)
    untouched = (layer(tokens) == tokens).flatten(1).all(1)
    assert abs(untouched.float().mean() - share) < 0.1
    assert [layer.drop_path.drop_prob for layer in encoder.layers] == [0, share / 2, share]


def test_stochastic_depth_drops_the_feed_forward_branch() -> None:
    layer = build(drop_path_rate=0.5, num_layers=3, out_indices=[2]).layers[2].train()
    torch.nn.init.zeros_(layer.attn.attn.out_proj.weight)
    torch.nn.init.zeros_(layer.attn.attn.out_proj.bias)
    tokens = torch.randn(400, 2, 24)
    untouched = (layer(tokens) == tokens).flatten(1).all(1)
    assert 0.4 < untouched.float().mean() < 0.6


@pytest.mark.parametrize('image', [(32, 48), (40, 56), (29, 8)], ids=str)
def test_the_shrinking_layer_gives_every_second_token_of_a_whole_one(image: tuple[int, int]) -> None:
    plain = build(out_indices=[2, 3])
    shrunk = build('ShrunkVisionTransformer', shrink_at=3, out_indices=[2, 3])
    shrunk.load_state_dict(plain.state_dict())
    x = torch.randn(2, 3, *image)
    with torch.no_grad():
        (before, after), (same, sampled) = plain(x), shrunk(x)
    torch.testing.assert_close(same, before)
    torch.testing.assert_close(sampled, after[..., ::2, ::2])


def test_layers_after_it_run_on_the_half_grid() -> None:
    encoder = build('ShrunkVisionTransformer', shrink_at=1, out_indices=[0, 1, 3])
    sizes = [tuple(x.shape[-2:]) for x in encoder(torch.randn(1, 3, 40, 56))]
    assert sizes == [(5, 7), (3, 4), (3, 4)]
    assert (encoder.channels, encoder.strides) == ([24] * 3, [8, 16, 16])


@pytest.mark.parametrize('kind', ['PlainVisionTransformer', 'ShrunkVisionTransformer'])
def test_every_parameter_has_a_gradient(kind: str) -> None:
    encoder = build(kind, **(dict(shrink_at=1) if kind.startswith('Shrunk') else {}))
    sum(x.square().sum() for x in encoder(torch.randn(1, 3, 40, 24))).backward()
    assert [name for name, p in encoder.named_parameters() if p.grad is None] == []


@pytest.mark.parametrize(
    'kind, changes, message',
    [
        ('PlainVisionTransformer', dict(out_indices=[1, 4]), r'out_indices=\[1, 4\]: the layers are 0 to 3'),
        ('ShrunkVisionTransformer', dict(shrink_at=4), 'shrink_at=4: the layers are 0 to 3'),
        ('PlainVisionTransformer', dict(num_heads=5), 'num_heads=5 does not divide backbone.embed_dims=24'),
    ],
)
def test_arguments_that_do_not_fit(kind: str, changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(kind, **changes)


class TestPositions:
    """Position embeddings of files: rows of tokens, or maps of another size."""

    @staticmethod
    def load(positions: Tensor) -> Tensor:
        return to_encoder_layout(dict(pos_embed=positions), build().state_dict())['pos_embed']

    def test_tokens_become_a_map(self) -> None:
        grid = torch.randn(1, 24, 9, 9)
        expected = F.interpolate(grid, size=(4, 6), mode='bicubic', align_corners=False)
        tokens = grid.flatten(2).transpose(1, 2)
        for positions in (grid, torch.cat([torch.randn(1, 1, 24), tokens], dim=1)):
            torch.testing.assert_close(self.load(positions), expected)

    def test_those_of_the_same_size_stay(self) -> None:
        grid = torch.randn(1, 24, 4, 6)
        assert torch.equal(self.load(grid), grid)
