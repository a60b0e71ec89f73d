"""Normalisation of images with any number of bands."""

from collections.abc import Sequence
from typing import Any

import torch
from mmseg.models import SegDataPreProcessor
from mmseg.registry import MODELS

from scaseg.errors import UserError


@MODELS.register_module()
class BandDataPreProcessor(SegDataPreProcessor):
    """mmseg's ``SegDataPreProcessor`` for any number of bands, which stay in the order of the file.

    Args:
        mean: of each band, in the units of the files.
        std: standard deviation of each band, above 0.
        **kwargs: arguments of ``SegDataPreProcessor`` but ``bgr_to_rgb`` and ``rgb_to_bgr``.

    Shape:
        inputs: a list of (bands, H, W), of any type.
        returns: ``inputs``, (B, bands, H, W) float32.

    Raises:
        UserError: mean and std differ in length, or a std is not above 0.
    """

    def __init__(self, mean: Sequence[float], std: Sequence[float], **kwargs: Any) -> None:
        if len(mean) != len(std) or not all(value > 0 for value in std):
            raise UserError(
                f'data_preprocessor: mean={list(mean)}, std={list(std)}: expected one number for each band, std above '
                '0; python tools/data/check.py prints both'
            )
        super().__init__(**kwargs)
        self._enable_normalize = True
        self.register_buffer('mean', torch.tensor(mean, dtype=torch.float32).view(-1, 1, 1), persistent=False)
        self.register_buffer('std', torch.tensor(std, dtype=torch.float32).view(-1, 1, 1), persistent=False)

    def forward(self, data: dict, training: bool = False) -> dict[str, Any]:
        """Normalise, pad and stack a batch.

        Raises:
            UserError: the images have another number of bands.
        """
        found = data['inputs'][0].shape[-3]
        if found != len(self.mean):
            raise UserError(
                f'data_preprocessor has mean and std of {len(self.mean)} bands, the images have {found}: they must be '
                'as many as bands of LoadBands and in_channels of the encoder'
            )
        return super().forward(data, training)
