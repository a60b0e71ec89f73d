"""Where a number that is not finite comes from: one batch run once more, with a look at each module."""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import Any

import torch
from mmengine.dist import all_reduce
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves


def find_fault(model: BaseModel, data: dict[str, Any], random: Tensor, optim_wrapper: OptimWrapper) -> str | None:
    """Run forward and backward pass of a batch and say where the first number that is not finite appears.

    Gradients are left empty; running statistics of norms move, and are the caller's to restore.

    Args:
        model: a segmentor in training mode, without a wrapper.
        data: a batch as the data loader gives it.
        random: state of the generator of the model's device, under which it is run.
        optim_wrapper: gives the precision.

    Returns:
        A clause that names loss terms, module and images; ``None`` where all numbers are finite.
    """
    broken: list[str] = []
    model.zero_grad(set_to_none=True)
    with _generator(next(model.parameters()).device, random), torch.compiler.set_stance('force_eager'):
        with _watched(model, broken), optim_wrapper.optim_context(model):
            batch = model.data_preprocessor(data, True)
            losses = model(**batch, mode='loss')
        loss, terms = model.parse_losses(losses)
        passes = torch.tensor(float(is_finite(loss)))
        all_reduce(passes, op='min')
        if passes:  # on all processes or on none: layers may exchange gradients
            loss.backward()
    images = ', '.join(str(sample.metainfo.get('img_path')) for sample in batch['data_samples'])
    gradients = [name for name, x in model.named_parameters() if x.grad is not None and not is_finite(x.grad)]
    model.zero_grad(set_to_none=True)
    if not is_finite(batch['inputs']):
        return f'the images that the model is given are not finite ({images})'
    if not is_finite(loss):
        values = ', '.join(f'{name} {x.item():.4g}' for name, x in terms.items() if 'loss' in name and name != 'loss')
        where = f'the first module with such an output is {broken[0]}' if broken else 'no output of a module is'
        return f'the loss is not finite ({values}); {where}; images: {images}'
    if gradients:
        return (
            f'the gradient is not finite in {len(gradients)} parameters, the last of them {gradients[-1]}, '
            f'while the loss is; images: {images}'
        )
    return None


def is_finite(value: Any) -> bool:
    """Whether all floating-point tensors of a nested value are finite."""
    tensors = (x for x in tree_leaves(value) if isinstance(x, Tensor) and x.is_floating_point())
    return all(bool(x.isfinite().all()) for x in tensors)


def plain_batch(data: dict[str, Any]) -> dict[str, Any]:
    """A batch as tensors and strings, which ``torch.load(..., weights_only=True)`` reads."""
    samples = data['data_samples']
    return dict(
        inputs=[x.cpu() for x in data['inputs']],
        labels=[sample.gt_sem_seg.data.cpu() for sample in samples],
        images=[str(sample.metainfo.get('img_path')) for sample in samples],
    )


@contextmanager
def _watched(model: nn.Module, broken: list[str]) -> Iterator[None]:
    """Gather the names of modules whose outputs are not finite, in the order in which they are done."""

    def look(name: str, module: nn.Module, args: Any, output: Any) -> None:
        if not is_finite(output):
            broken.append(f'{name} ({type(module).__name__})')

    handles = [x.register_forward_hook(partial(look, name)) for name, x in model.named_modules() if name]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()


@contextmanager
def _generator(device: torch.device, state: Tensor) -> Iterator[None]:
    """Run a block under a state of the device's random generator, and go back to the present one."""
    with torch.random.fork_rng(devices=[device] if device.type == 'cuda' else []):
        if device.type == 'cuda':
            torch.cuda.set_rng_state(state, device)
        else:
            torch.set_rng_state(state)
        yield
