"""ViT weights as their authors publish them for JAX, in .npz files."""

from pathlib import Path

import numpy as np
import pytest
import timm
import torch

from scaseg.errors import UserError
from scaseg.models import PlainVisionTransformer
from scaseg.weights import load_pretrained, read_checkpoint
from scaseg.weights.table import TABLE

CHANNELS, HEADS, DEPTH, GRID, PATCH = 24, 3, 2, 4, 8


def build(img_size: tuple[int, int] = (GRID * PATCH, GRID * PATCH)) -> PlainVisionTransformer:
    return PlainVisionTransformer(CHANNELS, DEPTH, HEADS, img_size, out_indices=[1], patch_size=PATCH)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """Names and shapes of a file of the authors."""
    shapes = {
        'cls': (1, 1, CHANNELS),
        'embedding/kernel': (PATCH, PATCH, 3, CHANNELS),
        'embedding/bias': (CHANNELS,),
        'Transformer/posembed_input/pos_embedding': (1, 1 + GRID * GRID, CHANNELS),
        'Transformer/encoder_norm/scale': (CHANNELS,),
        'Transformer/encoder_norm/bias': (CHANNELS,),
        'head/kernel': (CHANNELS, 1000),
        'head/bias': (1000,),
    }
    for index in range(DEPTH):
        layer = f'Transformer/encoderblock_{index}'
        for norm in ('LayerNorm_0', 'LayerNorm_2'):
            shapes |= {f'{layer}/{norm}/scale': (CHANNELS,), f'{layer}/{norm}/bias': (CHANNELS,)}
        for part in ('query', 'key', 'value'):
            name = f'{layer}/MultiHeadDotProductAttention_1/{part}'
            shapes |= {f'{name}/kernel': (CHANNELS, HEADS, 8), f'{name}/bias': (HEADS, 8)}
        name = f'{layer}/MultiHeadDotProductAttention_1/out'
        shapes |= {f'{name}/kernel': (HEADS, 8, CHANNELS), f'{name}/bias': (CHANNELS,)}
        for dense, widths in dict(Dense_0=(CHANNELS, 4 * CHANNELS), Dense_1=(4 * CHANNELS, CHANNELS)).items():
            shapes |= {f'{layer}/MlpBlock_3/{dense}/kernel': widths, f'{layer}/MlpBlock_3/{dense}/bias': widths[1:]}
    random = np.random.default_rng(0)
    path = tmp_path / 'vit.npz'
    np.savez(path, **{name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()})
    return path


def test_the_file_is_read_as_timm_reads_it(file: Path) -> None:
    encoder = build()
    report = load_pretrained(encoder, str(file))
    assert report.matched == report.total
    assert set(report.unexpected) == {'cls_token', 'ln1.weight', 'ln1.bias', 'head/weight', 'head/bias'}
    sizes = dict(patch_size=PATCH, embed_dim=CHANNELS, depth=DEPTH, num_heads=HEADS)
    whole = timm.create_model('vit_tiny_patch16_224', img_size=GRID * PATCH, **sizes)
    whole.load_pretrained(str(file))
    ours, theirs = encoder.state_dict(), whole.state_dict()
    assert torch.equal(ours.pop('pos_embed').flatten(2).transpose(1, 2), theirs['pos_embed'][:, 1:])
    names = {
        'ffn.layers.0.0': 'mlp.fc1',
        'ffn.layers.1': 'mlp.fc2',
        'layers.': 'blocks.',
        'patch_embed.projection': 'patch_embed.proj',
        'ln1': 'norm1',
        'ln2': 'norm2',
        'attn.attn.in_proj_': 'attn.qkv.',
        'attn.attn.out_proj': 'attn.proj',
    }
    for name, tensor in ours.items():
        for mine, other in names.items():
            name = name.replace(mine, other)
        assert torch.equal(tensor, theirs[name]), name


def test_positions_are_resized_to_the_grid_of_the_crop(file: Path) -> None:
    encoder, larger = build(), build((6 * PATCH, 5 * PATCH))
    load_pretrained(encoder, str(file))
    report = load_pretrained(larger, str(file))
    assert report.matched == report.total
    expected = torch.nn.functional.interpolate(encoder.pos_embed, size=(6, 5), mode='bicubic', align_corners=False)
    torch.testing.assert_close(larger.pos_embed, expected)


def test_positions_of_an_image_that_is_not_square_are_refused(file: Path, tmp_path: Path) -> None:
    arrays = dict(np.load(file))
    arrays['Transformer/posembed_input/pos_embedding'] = np.zeros((1, 1 + 4 * 5, CHANNELS), np.float32)
    np.savez(tmp_path / 'other.npz', **arrays)
    with pytest.raises(UserError, match=r'other\.npz does not fit: its 20 position embeddings'):
        load_pretrained(build(), str(tmp_path / 'other.npz'))


def test_no_object_of_a_file_is_unpickled(tmp_path: Path) -> None:
    class Touch:
        def __reduce__(self) -> tuple:
            return open, (str(tmp_path / 'trace'), 'w')

    np.savez(tmp_path / 'a.npz', weight=np.array([Touch()], dtype=object))
    with pytest.raises(UserError, match=r'a\.npz is truncated or no checkpoint'):
        read_checkpoint(tmp_path / 'a.npz')
    assert not (tmp_path / 'trace').exists()


@pytest.mark.parametrize(
    'name, timm_name',
    [
        ('vit-b16-augreg', 'vit_base_patch16_384.augreg_in21k_ft_in1k'),
        ('vit-l16-augreg', 'vit_large_patch16_384.augreg_in21k_ft_in1k'),
    ],
)
def test_timm_agrees_on_the_file(name: str, timm_name: str) -> None:
    config, weights = timm.get_pretrained_cfg(timm_name), TABLE[name]
    assert config.url in [url for file in weights.files for url in file.urls]
    assert weights.licence.lower() == config.license
    assert weights.mean == tuple(255 * value for value in config.mean)
    assert weights.std == tuple(255 * value for value in config.std)
