"""A segmentor as one function of tensors, which is what exporters want."""

import math

import torch
import torch.nn.functional as F
from mmseg.models import BaseSegmentor
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from torch import Tensor, nn

from scaseg.errors import UserError


class ExportableNetwork(nn.Module):
    """Encoder, neck and head of a segmentor, with normalisation and labelling around them on request.

    Args:
        segmentor: in evaluation mode.
        with_preprocessing: take images as they are read from files and give labels. Scaling to the size of the test
            pipeline stays outside.

    Shape:
        images: (B, C, H, W), normalised float32; with ``with_preprocessing`` uint8, RGB.
        returns: what the head gives, (B, K, h, w); with ``with_preprocessing`` class ids (B, H, W), int64.

    Raises:
        UserError: the segmentor has no single head.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, segmentor: BaseSegmentor, with_preprocessing: bool = False) -> None:
        super().__init__()
        head = segmentor.decode_head
        if not isinstance(head, BaseDecodeHead):
            raise UserError(f'{type(segmentor).__name__} has a cascade of heads, which cannot be exported')
        self.segmentor = segmentor
        self.with_preprocessing = with_preprocessing
        self.align_corners = head.align_corners
        self.threshold = head.threshold if head.out_channels == 1 else math.nan
        prepare = segmentor.data_preprocessor
        self.takes_bgr = not prepare._channel_conversion
        if with_preprocessing and not prepare._enable_normalize:
            raise UserError('model.data_preprocessor has no mean and std: export without --with-preprocessing')
        if with_preprocessing:
            self.register_buffer('mean', prepare.mean.clone(), persistent=False)
            self.register_buffer('std', prepare.std.clone(), persistent=False)

    def forward(self, images: Tensor) -> Tensor:
        if not self.with_preprocessing:
            return self._scores(images)
        x = images.flip(1) if self.takes_bgr else images
        scores = self._scores((x.float() - self.mean) / self.std)
        scores = F.interpolate(scores, images.shape[-2:], mode='bilinear', align_corners=self.align_corners)
        return scores.argmax(dim=1) if scores.shape[1] > 1 else (scores[:, 0].sigmoid() > self.threshold).long()

    def _scores(self, images: Tensor) -> Tensor:
        return self.segmentor.decode_head(self.segmentor.extract_feat(images))


def example_images(network: ExportableNetwork, size: tuple[int, int], batch: int = 1, seed: int = 0) -> Tensor:
    """Random images (B, C, H, W) of the kind that the network takes."""
    generator = torch.Generator().manual_seed(seed)
    mean = network.segmentor.data_preprocessor.mean if network.segmentor.data_preprocessor._enable_normalize else None
    channels = 3 if mean is None else mean.shape[0]
    if network.with_preprocessing:
        return torch.randint(256, (batch, channels, *size), dtype=torch.uint8, generator=generator)
    return torch.randn(batch, channels, *size, generator=generator)
