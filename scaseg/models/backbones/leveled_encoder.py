"""Encoders that know what they will give before they see an image."""

from mmengine.model import BaseModule


class LeveledEncoder(BaseModule):
    """Base of the encoders of scaseg; ``LeanEncoderDecoder`` checks heads against it when a model is built.

    Attributes:
        channels: channels of every level that a forward returns.
        strides: strides of these levels in pixels.
    """

    channels: list[int]
    strides: list[int]
