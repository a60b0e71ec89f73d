"""Faster or smaller networks that compute the same: one key at the top of a config each, for every encoder and head.

channels_last = True          NHWC in memory
compile = True                torch.compile, in training and evaluation; a dict holds its arguments
recompute_activations = True  blocks keep their inputs only and run again in the backward pass; a list names them
fold_conv_bn = True           in a test, BN goes into the convolution before it
"""

import contextlib
import copy
import functools
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager
from typing import Any

import torch
from mmseg.models import BaseSegmentor
from timm.layers import BatchNormAct2d, Conv2dSame
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.utils import fuse_conv_bn_eval
from torch.utils.checkpoint import checkpoint

from scaseg.errors import UserError
from scaseg.models.decode_heads.mask_classification_head import MaskClassificationHead

CONVOLUTIONS = (nn.Conv2d, Conv2dSame)  # others may change their weights before they use them


def prepare_network(model: BaseSegmentor, cfg: Mapping[str, Any], training: bool) -> None:
    """Do what the keys of a config ask for, once, when the weights are in place.

    Args:
        model: a segmentor.
        cfg: the config, of which the keys above are read.
        training: whether the model will be trained: then nothing is folded, else nothing is recomputed.

    Raises:
        UserError: ``recompute_activations`` names a module that the model does not have, or ``compile`` is neither
            True nor arguments that ``torch.compile`` takes.
    """
    if cfg.get('channels_last'):
        model.to(memory_format=torch.channels_last)
    if training and cfg.get('recompute_activations'):
        names = cfg['recompute_activations']
        names = [names] if isinstance(names, str) else names
        recompute_activations(model, None if names is True else names)
    if not training and cfg.get('fold_conv_bn'):
        fold_conv_bn(model)
    if cfg.get('compile') not in (None, False):
        _compile_by_key(model, cfg['compile'])


def _compile_by_key(model: BaseSegmentor, value: object) -> None:
    if value is not True and not isinstance(value, Mapping):
        raise UserError(f'compile={value!r}: expected True, or a dict with arguments of torch.compile')
    try:
        compile_network(model, **({} if value is True else dict(value)))
    except (TypeError, ValueError, RuntimeError) as error:
        raise UserError(f'compile={value!r}: torch.compile refuses these arguments ({error})') from error


def compile_network(model: BaseSegmentor, **options: Any) -> None:
    """Compile encoder, neck and head when they are first used; loss, data and optimiser stay as they are.

    mmengine compiles the whole training step, and nothing in a test; but the step reads lists of samples, at which the
    graph breaks, and the network is the part that both have in common.

    Args:
        model: a segmentor.
        options: of ``torch.compile``.
    """
    model.backbone.compile(**options)
    if model.with_neck:
        model.neck.compile(**options)
    head = model.decode_head
    name = 'predict_masks' if isinstance(head, MaskClassificationHead) else 'forward'  # called past nn.Module.__call__
    setattr(head, name, torch.compile(getattr(head, name), **options))


def recompute_activations(model: BaseSegmentor, names: Sequence[str] | None = None) -> list[str]:
    """Let blocks forget their activations and compute them again in the backward pass, to the same gradients.

    Running statistics of norms move once, not twice as with ``with_cp`` in mmseg's encoders.

    Args:
        model: a segmentor.
        names: modules, or lists of modules; ``None`` takes the blocks of all stages of encoder and head, a stage being
            a list of modules of one class.

    Returns:
        Names of the blocks.

    Raises:
        UserError: the model has no module of a name, or no stage.
    """
    blocks: dict[str, nn.Module] = {}
    if names is None:
        for part in ('backbone', 'decode_head'):
            blocks |= _blocks_of_stages(part, getattr(model, part))
    for name in names or ():
        try:
            module = model.get_submodule(name)
        except AttributeError as error:
            raise UserError(f'recompute_activations: the model has no module {name!r} ({error})') from error
        entries = module.named_children() if isinstance(module, (nn.ModuleList, nn.Sequential)) else [('', module)]
        blocks |= {f'{name}.{entry}'.rstrip('.'): block for entry, block in entries}
    if not blocks:
        raise UserError('recompute_activations=True: neither encoder nor head is made of stages; name the modules')
    for block in blocks.values():
        block.forward = _recomputed(block)
    return list(blocks)


def _blocks_of_stages(name: str, module: nn.Module) -> dict[str, nn.Module]:
    lists = (nn.ModuleList, nn.Sequential)
    entries = dict(module.named_children())
    alike = len({type(entry) for entry in entries.values()}) == 1
    if isinstance(module, lists) and alike and not any(isinstance(entry, lists) for entry in entries.values()):
        return {f'{name}.{entry}': block for entry, block in entries.items() if any(block.children())}
    blocks: dict[str, nn.Module] = {}
    for entry, child in entries.items():
        blocks |= _blocks_of_stages(f'{name}.{entry}', child)
    return blocks


def _recomputed(block: nn.Module) -> Callable[..., Any]:
    forward = block.forward

    @functools.wraps(forward)
    def recomputed(*args: Any, **kwargs: Any) -> Any:
        if not torch.is_grad_enabled():
            return forward(*args, **kwargs)
        held = [list(x) if isinstance(x, list) else x for x in args]  # a head may change its list of levels meanwhile
        if torch.compiler.is_compiling():  # its graph of the backward pass has no statistics to move
            return checkpoint(forward, *held, use_reentrant=False, **kwargs)
        contexts = functools.partial(_contexts, block)
        return checkpoint(forward, *held, use_reentrant=False, context_fn=contexts, **kwargs)

    return recomputed


def _contexts(block: nn.Module) -> tuple[AbstractContextManager, AbstractContextManager]:
    """Of the forward pass, and of the second one."""
    return contextlib.nullcontext(), _frozen_statistics(block)


@contextlib.contextmanager
def _frozen_statistics(block: nn.Module) -> Iterator[None]:
    """Norms normalise by the batch as in training, and leave their running statistics alone."""
    norms = [module for module in block.modules() if isinstance(module, _BatchNorm)]
    before = [
        (norm, norm.momentum, norm.num_batches_tracked) for norm in norms if norm.num_batches_tracked is not None
    ]
    counts = [count.clone() for _, _, count in before]
    try:
        for norm, _, _ in before:
            norm.momentum = 0.0
        yield
    finally:
        for (norm, momentum, count), old in zip(before, counts, strict=True):
            norm.momentum = momentum
            count.copy_(old)


def fold_conv_bn(model: BaseSegmentor) -> list[str]:
    """Put every BN that alone reads a convolution's output into that convolution; for evaluation only.

    Which norm follows which convolution is read off the graph of one forward pass of a copy without memory. mmcv's
    ``fuse_conv_bn`` goes by the order in which modules were registered, and folds a head's norm into ``conv_seg``.

    Args:
        model: a segmentor, which is put into ``eval()``.

    Returns:
        Names of the norms that are gone.
    """
    model.eval()
    _split_norms_with_activation(model)
    pairs = _conv_bn_pairs(model)
    for conv_name, norm_name in pairs:
        conv, norm = model.get_submodule(conv_name), model.get_submodule(norm_name)
        _replace(model, conv_name, fuse_conv_bn_eval(conv, norm))
        _replace(model, norm_name, nn.Identity())
    return [norm for _, norm in pairs]


def _split_norms_with_activation(model: nn.Module) -> None:
    """Turn each norm of timm that has dropping out and an activation inside into a norm with them behind it."""
    for name, module in list(model.named_modules()):
        if type(module) is BatchNormAct2d and module.running_mean is not None:
            norm = nn.BatchNorm2d(module.num_features, module.eps, affine=module.affine, device='meta').eval()
            norm.load_state_dict(module.state_dict(), strict=False, assign=True)  # an activation may have weights, too
            _replace(model, name, nn.Sequential(norm, module.drop, module.act))


def _conv_bn_pairs(model: BaseSegmentor) -> list[tuple[str, str]]:
    """Names of convolutions and of the norms that are the only readers of their outputs, each used once."""
    probe = copy.deepcopy(model).to('meta', torch.float32).eval().requires_grad_()
    modules_of: dict[Any, str] = {}  # node of the graph -> module that made it
    calls: dict[str, int] = {}

    def record(name: str, module: nn.Module, inputs: tuple[Tensor, ...], output: Tensor) -> None:
        modules_of[output.grad_fn] = name
        calls[name] = calls.get(name, 0) + 1

    for name, module in probe.named_modules():
        if type(module) in CONVOLUTIONS or isinstance(module, _BatchNorm):
            module.register_forward_hook(functools.partial(record, name))
    with torch.enable_grad():
        out = probe(torch.empty(1, 3, 128, 128, device='meta'), mode='tensor')
    readers: dict[Any, list[Any]] = {}
    waiting, seen = [out.grad_fn], {out.grad_fn}
    while waiting:
        node = waiting.pop()
        for read, _ in node.next_functions:
            readers.setdefault(read, []).append(node)
            if read is not None and read not in seen:
                seen.add(read)
                waiting.append(read)
    pairs = []
    for node, name in modules_of.items():
        after = readers.get(node, [])
        norm = modules_of.get(after[0]) if len(after) == 1 else None
        if norm is not None and calls[name] == calls[norm] == 1:
            conv_module, norm_module = probe.get_submodule(name), probe.get_submodule(norm)
            if type(conv_module) in CONVOLUTIONS and isinstance(norm_module, _BatchNorm):
                pairs.append((name, norm))
    return pairs


def _replace(model: nn.Module, name: str, module: nn.Module) -> None:
    parent, _, child = name.rpartition('.')
    setattr(model.get_submodule(parent), child, module)
