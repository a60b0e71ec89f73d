"""A check that heads make on what an encoder gives them."""

from collections.abc import Sequence

from torch import Tensor

from scaseg.errors import UserError


def check_channels(features: Sequence[Tensor], in_channels: Sequence[int]) -> None:
    """Raise a UserError where the maps of the encoder have other channels than the head was built for."""
    channels = [x.shape[1] for x in features]
    if channels != list(in_channels):
        raise UserError(
            f'decode_head.in_channels={list(in_channels)}, but the encoder gives maps of {channels} channels'
        )
