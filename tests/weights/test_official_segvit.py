"""Official SegViT checkpoints: state dicts laid out as the authors' code lays them out."""

from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS
from torch import Tensor, nn

from scaseg.errors import UserError
from scaseg.models import LeanEncoderDecoder
from scaseg.weights.official import convert_official, convert_segvit

WIDTH, DEPTH, PATCH, CLASSES, DIMS, LAYERS = 24, 3, 8, 5, 12, 2
ENCODER = dict(embed_dims=WIDTH, num_layers=DEPTH, num_heads=3, img_size=(32, 32), patch_size=PATCH)
PLAIN = dict(
    backbone=ENCODER | dict(type='PlainVisionTransformer', out_indices=[0, 1, 2]),
    decode_head=dict(
        type='ATMHead', in_channels=[WIDTH] * 3, embed_dims=DIMS, num_heads=3, num_layers=LAYERS, num_classes=CLASSES
    ),
)
SHRUNK = dict(
    backbone=ENCODER | dict(type='ShrunkVisionTransformer', shrink_at=1, out_indices=[0, 2]),
    decode_head=PLAIN['decode_head'] | dict(type='ShrunkATMHead', in_channels=[WIDTH] * 2, grid_size=(4, 4)),
)


def build(settings: dict) -> LeanEncoderDecoder:
    return MODELS.build(dict(type='LeanEncoderDecoder', **settings))


def named(prefix: str, module: nn.Module) -> dict[str, Tensor]:
    return {f'{prefix}{name}': torch.randn_like(tensor) for name, tensor in module.state_dict().items()}


def official_encoder() -> dict[str, Tensor]:
    """mmseg 0.24's ViT with its class token, which ``with_cls_token=False`` leaves unused."""
    state = {'backbone.cls_token': torch.randn(1, 1, WIDTH), 'backbone.pos_embed': torch.randn(1, 17, WIDTH)}
    state |= named('backbone.patch_embed.projection.', nn.Conv2d(3, WIDTH, PATCH))
    for index in range(DEPTH):
        layer = f'backbone.layers.{index}.'
        state |= named(f'{layer}ln1.', nn.LayerNorm(WIDTH)) | named(f'{layer}ln2.', nn.LayerNorm(WIDTH))
        state |= named(f'{layer}attn.attn.', nn.MultiheadAttention(WIDTH, 3))
        state |= named(f'{layer}ffn.layers.0.0.', nn.Linear(WIDTH, 4 * WIDTH))
        state |= named(f'{layer}ffn.layers.1.', nn.Linear(4 * WIDTH, WIDTH))
    return state


def official_projection(prefix: str, stage: int) -> dict[str, Tensor]:
    state = named(f'{prefix}input_proj_{stage}.', nn.Linear(WIDTH, DIMS))
    return state | named(f'{prefix}proj_norm_{stage}.', nn.LayerNorm(DIMS))


def official_decoder(prefix: str, attention_to_mask: bool) -> dict[str, Tensor]:
    """torch's decoder, whose cross-attention the authors replaced by four linear layers."""
    state = named(prefix, nn.TransformerDecoder(nn.TransformerDecoderLayer(DIMS, 3, 4 * DIMS), LAYERS))
    if attention_to_mask:
        state = {name: tensor for name, tensor in state.items() if 'multihead_attn' not in name}
        for layer in range(LAYERS):
            for part in ('q', 'k', 'v', 'proj'):
                state |= named(f'{prefix}layers.{layer}.multihead_attn.{part}.', nn.Linear(DIMS, DIMS))
    return state


def official_classes(prefix: str) -> dict[str, Tensor]:
    state = {f'{prefix}loss_decode.criterion.empty_weight': torch.ones(CLASSES + 1)}
    state |= named(f'{prefix}class_embed.', nn.Linear(DIMS, CLASSES + 1))
    return state | named(f'{prefix}q.', nn.Embedding(CLASSES, DIMS))


def official_plain() -> dict[str, Tensor]:
    state = official_encoder() | official_classes('decode_head.')
    for stage in (1, 2, 3):
        state |= official_projection('decode_head.', stage)
        state |= official_decoder(f'decode_head.decoder_{stage}.', attention_to_mask=True)
    return state


def official_shrunk() -> dict[str, Tensor]:
    state = official_encoder() | official_classes('decode_head.atm.')
    state['decode_head.loss_decode.criterion.empty_weight'] = torch.ones(CLASSES + 1)
    state |= named('decode_head.q.', nn.Embedding(16, DIMS))
    state |= official_decoder('decode_head.atm.decoder_1.', attention_to_mask=True)
    for stage in (1, 2):
        state |= official_projection('decode_head.', stage)
        state |= official_decoder(f'decode_head.decoder_{stage}.', attention_to_mask=False)
    return state


@pytest.mark.parametrize(
    'settings, official', [(PLAIN, official_plain()), (SHRUNK, official_shrunk())], ids=['plain', 'shrunk']
)
def test_every_tensor_has_its_place(settings: dict, official: dict[str, Tensor], tmp_path: Path) -> None:
    torch.save(dict(meta={}, state_dict=official), tmp_path / 'official.pth')
    weights = convert_official(build(settings), tmp_path / 'official.pth')
    build(settings).load_state_dict(weights)
    unused = [name for name in official if name.endswith(('cls_token', 'empty_weight'))]
    assert len(weights) == len(official) - len(unused)
    values = {tensor.sum().item() for tensor in official.values()}
    assert all(tensor.sum().item() in values for name, tensor in weights.items() if 'pos_embed' not in name)


def test_the_first_decoder_stays_the_first() -> None:
    """Official stage 1 takes the deepest level, and so does decoder 0 here; Shrunk goes from shallow to deep."""
    official = official_plain()
    converted = convert_segvit(official)
    expected = {
        'projections.0.0.weight': 'input_proj_1.weight',
        'projections.2.1.bias': 'proj_norm_3.bias',
        'decoders.0.1.multihead_attn.q.weight': 'decoder_1.layers.1.multihead_attn.q.weight',
        'decoders.2.0.self_attn.in_proj_weight': 'decoder_3.layers.0.self_attn.in_proj_weight',
        'queries.weight': 'q.weight',
    }
    for ours, theirs in expected.items():
        assert converted[f'decode_head.{ours}'] is official[f'decode_head.{theirs}']
    official = official_shrunk()
    converted = convert_segvit(official)
    expected = {
        'projections.1.0.weight': 'input_proj_2.weight',
        'upsamplers.0.layers.1.multihead_attn.in_proj_weight': 'decoder_1.layers.1.multihead_attn.in_proj_weight',
        'layers.1.multihead_attn.v.bias': 'atm.decoder_1.layers.1.multihead_attn.v.bias',
        'queries.weight': 'atm.q.weight',
    }
    for ours, theirs in expected.items():
        assert converted[f'decode_head.{ours}'] is official[f'decode_head.{theirs}']


def test_tokens_become_maps_row_by_row() -> None:
    official = official_shrunk()
    converted = convert_segvit(official)
    for row in range(4):
        for column in range(4):
            token = 4 * row + column
            grid, positions = converted['decode_head.grid'], converted['backbone.pos_embed']
            assert torch.equal(grid[0, :, row, column], official['decode_head.q.weight'][token])
            assert torch.equal(positions[0, :, row, column], official['backbone.pos_embed'][0, 1 + token])


def test_unknown_names_pass_through(tmp_path: Path) -> None:
    state = official_plain() | {'decode_head.extra.weight': torch.ones(1)}
    assert 'decode_head.extra.weight' in convert_segvit(state)
    torch.save(state, tmp_path / 'official.pth')
    with pytest.raises(UserError, match=r'left over in the file: decode_head\.extra\.weight'):
        convert_official(build(PLAIN), tmp_path / 'official.pth')


def test_a_checkpoint_of_the_other_kind_is_refused(tmp_path: Path) -> None:
    torch.save(official_shrunk(), tmp_path / 'official.pth')
    with pytest.raises(UserError, match=r'does not fit the model of the config: missing in the file: decode_head\.'):
        convert_official(build(PLAIN), tmp_path / 'official.pth')
