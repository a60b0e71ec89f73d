"""SCASeg: strip cross-attention decoders for efficient semantic segmentation, on mmsegmentation."""

__version__ = '0.1.0'
