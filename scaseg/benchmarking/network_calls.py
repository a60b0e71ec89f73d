"""One call of a network to be timed: the whole of it, with what comes after it, or its head alone."""

from collections.abc import Callable, Sequence
from typing import Literal

import torch
from mmengine.config import Config
from mmseg.models import BaseSegmentor
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from scaseg.engine.network_options import prepare_network

Part = Literal['network', 'prediction', 'head']
PARTS: dict[Part, str] = {
    'network': 'from normalised images on the device to the map that the head gives, at its own size',
    'prediction': 'from normalised images on the device to labels at the size of the image, still on the device',
    'head': "from the encoder's maps on the device to the map that the head gives, at its own size",
}
PASSES = {
    'forward': 'in eval() and without gradients',
    'forward+backward': 'in train(), to the gradients of all parameters and, for a head, of its inputs; no loss',
}
DTYPES = {'float32': torch.float32, 'float16': torch.float16, 'bfloat16': torch.bfloat16}


def build_network(cfg: Config, device: torch.device, training: bool) -> BaseSegmentor:
    """The model of a config with the weights it was made with, as a training or a test would use it."""
    cfg = cfg.copy()
    cfg.model.pretrained = None
    model = MODELS.build(cfg.model)
    model.to(device).train(training)
    prepare_network(model, cfg, training)
    return model


def network_call(
    model: BaseSegmentor,
    part: Part,
    shape: tuple[int, int],
    batch: int = 1,
    dtype: torch.dtype = torch.float32,
    backward: bool = False,
) -> Callable[[], object]:
    """A function without arguments that runs a part of a model once, on random images made beforehand.

    Args:
        model: a segmentor, as ``build_network`` gives it.
        part: one of ``PARTS``, which says what is inside.
        shape: (H, W) of the images in pixels.
        batch: number of images.
        dtype: of autocast; float32 is no autocast.
        backward: forward and backward pass; not for ``'prediction'``.

    Raises:
        ValueError: a prediction with a backward pass.
    """
    device = next(model.parameters()).device
    images = torch.randn(batch, 3, *shape, device=device)
    if part == 'prediction':
        if backward:
            raise ValueError('predictions are labels, which have no gradient')
        return _without_gradients(lambda: model.predict(images, samples_of(batch, shape)), device, dtype)
    if part == 'network':
        return module_call(lambda: model(images, mode='tensor'), model, [], device, dtype, backward)
    with torch.no_grad():
        levels = [x.detach() for x in model.extract_feat(images)]
    return module_call(lambda: model.decode_head(levels), model.decode_head, levels, device, dtype, backward)


def module_call(
    function: Callable[[], Tensor],
    module: nn.Module,
    inputs: Sequence[Tensor],
    device: torch.device,
    dtype: torch.dtype,
    backward: bool,
) -> Callable[[], object]:
    """A call of ``function`` alone or, with ``backward``, to the gradients of a module's parameters and of inputs."""
    if not backward:
        return _without_gradients(function, device, dtype)
    tensors = [*module.parameters(), *(x.requires_grad_() for x in inputs)]

    def call() -> object:
        with torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            out = function()
        # A head alone, and the part of a network that its map does not hang on, leave parameters without a gradient.
        return torch.autograd.grad(out, tensors, torch.ones_like(out), allow_unused=True)

    return call


def samples_of(batch: int, shape: tuple[int, int]) -> list[SegDataSample]:
    """Samples of images that were neither resized nor padded."""
    about = dict(ori_shape=shape, img_shape=shape, pad_shape=shape, padding_size=[0, 0, 0, 0])
    return [SegDataSample(metainfo=dict(about)) for _ in range(batch)]


def _without_gradients(function: Callable[[], object], device: torch.device, dtype: torch.dtype) -> Callable:
    def call() -> object:
        with torch.no_grad(), torch.autocast(device.type, dtype, enabled=dtype != torch.float32):
            return function()

    return call
