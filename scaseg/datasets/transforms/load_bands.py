"""Images of any number of bands: loaded, and varied in brightness and contrast."""

from typing import Any

import numpy as np
from mmcv.transforms import BaseTransform
from mmengine import fileio
from mmseg.registry import TRANSFORMS

from scaseg.datasets.bands import decode_bands
from scaseg.errors import UserError


@TRANSFORMS.register_module()
class LoadBands(BaseTransform):
    """Load an image of any number of bands and any depth, bands in the order of the file.

    It stands in place of ``LoadImageFromFile``, with ``BandDataPreProcessor`` in the model; mean and standard
    deviation of each band come from ``tools/data/check.py``.

    Added keys: ``img``, (H, W, bands) uint8, or float32 where the file is deeper; ``img_shape``; ``ori_shape``.

    Args:
        bands: number of bands that every file must have.
        backend_args: as of ``LoadImageFromFile``.

    Raises:
        UserError: the file cannot be read, or has another number of bands.
    """

    def __init__(self, bands: int, backend_args: dict[str, Any] | None = None) -> None:
        self.bands = bands
        self.backend_args = backend_args

    def transform(self, results: dict) -> dict:
        """Read ``results['img_path']``."""
        path = results['img_path']
        try:
            image = decode_bands(fileio.get(path, backend_args=self.backend_args))
        except (ValueError, OSError) as error:
            raise UserError(f'{path}: this image cannot be read: {error}; restore it, or take it out') from error
        if image.shape[2] != self.bands:
            raise UserError(
                f'{path}: this image has {image.shape[2]} bands, LoadBands expects {self.bands}, in every image: '
                'correct its key bands, or the file'
            )
        results['img'] = image
        results['img_shape'] = results['ori_shape'] = image.shape[:2]
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(bands={self.bands})'


@TRANSFORMS.register_module()
class BandJitter(BaseTransform):
    """Vary brightness and contrast, all bands alike: what ``PhotoMetricDistortion`` does for more than colours.

    Each change is made with probability 1/2, as there. uint8 stays in 0..255; other values are not cut.

    Changed key: ``img``, of any number of bands.

    Args:
        brightness: largest shift, as a share of 255 or, of float images, of the range of the image's values.
        contrast: smallest and largest factor.
    """

    def __init__(self, brightness: float = 32 / 255, contrast: tuple[float, float] = (0.5, 1.5)) -> None:
        self.brightness = brightness
        self.contrast = contrast

    def transform(self, results: dict) -> dict:
        """Change ``results['img']``."""
        image = results['img']
        span = 255.0 if image.dtype == np.uint8 else float(np.ptp(image))
        shift = np.random.uniform(-self.brightness, self.brightness) * span if np.random.randint(2) else 0.0
        factor = np.random.uniform(*self.contrast) if np.random.randint(2) else 1.0
        changed = (image.astype(np.float32) + np.float32(shift)) * np.float32(factor)
        results['img'] = np.clip(changed, 0, 255).astype(np.uint8) if image.dtype == np.uint8 else changed
        return results

    def __repr__(self) -> str:
        return f'{type(self).__name__}(brightness={self.brightness}, contrast={self.contrast})'
