"""Any timm model as an encoder: ``features_only``, with what segmentation needs beside it."""

from collections.abc import Sequence
from typing import Any

import timm
import torch.nn.functional as F
from mmseg.registry import MODELS
from timm.layers import LayerNorm2d
from timm.models import model_entrypoint
from torch import Tensor, nn

from .leveled_encoder import LeveledEncoder

# Models that fix their image size unless told otherwise, by the timm module they are defined in.
DYNAMIC_SIZE = {
    'timm.models.swin_transformer': dict(strict_img_size=False),
    'timm.models.swin_transformer_v2': dict(strict_img_size=False),
    'timm.models.vision_transformer': dict(dynamic_img_size=True),
    'timm.models.deit': dict(dynamic_img_size=True),
    'timm.models.eva': dict(dynamic_img_size=True),
}


@MODELS.register_module()
class TIMMFeatures(LeveledEncoder):
    """Multi-level features of a timm model, as NCHW maps of any image size.

    Weights are never downloaded here: the segmentor loads them by name (``pretrained='convnext-t'``, or any of timm's
    own as ``pretrained='timm/convnext_tiny.fb_in1k'``).

    Args:
        model_name: name of a timm model that has ``features_only``. Families that fix their image size and are not in
            ``DYNAMIC_SIZE`` need the size among ``model_kwargs`` (``img_size=512``), and take no other.
        out_indices: levels to return, in timm's counting; ``None`` is timm's choice for the model. CNNs count a level
            at stride 2 first, so that strides 4 … 32 are ``(1, 2, 3, 4)``; Swin and ConvNeXt start at stride 4.
        in_channels: channels of the image.
        level_norm: a LayerNorm after each level. ``None`` decides by the model: those built on LayerNorm (Swin,
            ConvNeXt, ViT) give their raw residual stream and need one, those built on BatchNorm do not.
        model_kwargs: further arguments of the timm model (``drop_path_rate``, ``depths`` …).

    Shape:
        x: (B, in_channels, H, W). Models that cut the image into patches get it padded at the right and the bottom to
            a multiple of the patch size.
        returns: one (B, channels[j], H / strides[j], W / strides[j]) per level.

    Raises:
        ValueError: timm has no such model, the model has no ``features_only``, or ``pretrained`` is given here.
    """

    def __init__(
        self,
        model_name: str,
        out_indices: Sequence[int] | None = None,
        in_channels: int = 3,
        level_norm: bool | None = None,
        **model_kwargs: Any,
    ) -> None:
        super().__init__()
        if 'pretrained' in model_kwargs:
            raise ValueError(
                'backbone.pretrained: weights are named on the segmentor; set '
                f"model.pretrained='timm/{model_name}' and remove this key"
            )
        if not timm.is_model(model_name):
            close = timm.list_models(f'*{model_name.split("_")[0]}*')[:5]
            raise ValueError(f'backbone.model_name={model_name!r}: timm has no such model (close: {close})')
        dynamic = DYNAMIC_SIZE.get(model_entrypoint(model_name).__module__, {})
        if out_indices is not None:
            model_kwargs['out_indices'] = tuple(out_indices)
        features: Any = timm.create_model(
            model_name, pretrained=False, features_only=True, in_chans=in_channels, **{**dynamic, **model_kwargs}
        )
        self.features = features
        self.channels = features.feature_info.channels()
        self.strides = features.feature_info.reduction()
        self.gives_nhwc = str(getattr(features, 'output_fmt', 'NCHW')).endswith('NHWC')
        self.pad_multiple = self.strides[0] if dynamic else 1
        if level_norm is None:
            level_norm = any(isinstance(module, nn.LayerNorm) for module in features.modules())
        self.norms = nn.ModuleList(LayerNorm2d(c) if level_norm else nn.Identity() for c in self.channels)

    def init_weights(self) -> None:
        """Nothing to do: timm has initialised the model when it built it."""

    def forward(self, x: Tensor) -> list[Tensor]:
        if self.pad_multiple > 1:
            height, width = x.shape[-2:]
            x = F.pad(x, (0, -width % self.pad_multiple, 0, -height % self.pad_multiple))
        maps = self.features(x)
        if self.gives_nhwc:
            maps = [x.permute(0, 3, 1, 2) for x in maps]
        return [norm(x) for norm, x in zip(self.norms, maps, strict=True)]
