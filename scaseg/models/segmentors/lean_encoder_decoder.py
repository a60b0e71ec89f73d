"""The segmentor of all scaseg configs."""

import contextlib
import io
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import nn

from scaseg.weights import load_pretrained

from ..backbones import TIMMFeatures


@MODELS.register_module()
class LeanEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` with encoders by name, and checks where mmseg is silent.

    Args:
        backbone: config of the encoder.
        decode_head: config of the head.
        pretrained: name of the encoder's weights (``docs/pretrained.md``) or path of a file with them; ``None`` trains
            from scratch. Weights that match less than 95 % of the encoder's tensors are refused.
        kwargs: of mmseg's ``EncoderDecoder``.

    Raises:
        ValueError: at construction, channels or strides of a timm encoder do not fit a head.
        UserError: at ``init_weights``, the pretrained weights are missing, broken or do not fit.
    """

    def __init__(self, backbone: dict, decode_head: dict, pretrained: str | None = None, **kwargs: Any) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self.pretrained = pretrained
        if isinstance(self.backbone, TIMMFeatures) and not self.with_neck:
            for name in ('decode_head', 'auxiliary_head'):
                heads = getattr(self, name, None)
                for head in heads if isinstance(heads, nn.ModuleList) else filter(None, [heads]):
                    _check_head_fits(self.backbone, head, name)
        self.num_reverted_norms = 0 if torch.cuda.is_available() else self._revert_sync_batchnorm()

    def init_weights(self) -> None:
        """Initialise at random, then load the pretrained encoder; in distributed training the runner broadcasts."""
        if self.num_reverted_norms:
            message = f'no GPU: {self.num_reverted_norms} SyncBN layers work as BN, on the batch of their own process'
            print_log(message, logger='current')
        with contextlib.redirect_stdout(io.StringIO()):  # mmseg's MSCAN prints its init_cfg
            super().init_weights()
        if self.pretrained is not None and is_main_process():
            encoder = self.backbone.features if isinstance(self.backbone, TIMMFeatures) else self.backbone
            load_pretrained(encoder, self.pretrained)

    def _dump_init_info(self) -> None:
        """Nothing: mmengine would write three lines for each parameter into the log file."""

    def _revert_sync_batchnorm(self) -> int:
        """Turn SyncBN, which works on GPUs only, into BN, whose tensors have the same names. Returns how many."""
        count = sum(isinstance(module, nn.SyncBatchNorm) for module in self.modules())
        if count:
            for name, child in list(self.named_children()):
                setattr(self, name, revert_sync_batchnorm(child))
        return count


def _check_head_fits(encoder: TIMMFeatures, head: BaseDecodeHead, name: str) -> None:
    """Raise a ValueError that names the config key when a head does not fit the levels of a timm encoder."""
    several = isinstance(head.in_index, (list, tuple))
    indices = head.in_index if several else [head.in_index]
    if max(indices) >= len(encoder.channels):
        raise ValueError(f'{name}.in_index={head.in_index}: the encoder has {len(encoder.channels)} levels')
    channels = [encoder.channels[i] for i in indices]
    expected = head.in_channels if several else [head.in_channels]
    if head.input_transform == 'resize_concat':
        channels, expected = [sum(channels)], [head.in_channels]
    if channels != list(expected):
        raise ValueError(f'{name}.in_channels={head.in_channels}, but the encoder gives {channels}')
    strides = [encoder.strides[i] for i in indices]
    if strides != list(getattr(head, 'strides', strides)):
        raise ValueError(f'{name}.strides={list(head.strides)}, but the encoder gives {strides}')
