"""Whether tensors can be the state of a model: names, shapes, types and finite values."""

from collections.abc import Mapping, Sequence

from torch import Tensor, nn


def describe_mismatch(model: nn.Module, tensors: Mapping[str, Tensor]) -> str:
    """What keeps ``tensors`` from being the state of ``model``; empty where nothing does."""
    own = model.state_dict()
    faults = {
        'missing': [name for name in own if name not in tensors],
        'not in the model': [name for name in tensors if name not in own],
        'of another shape': [
            f'{name} {tuple(tensor.shape)} for {tuple(own[name].shape)}'
            for name, tensor in tensors.items()
            if name in own and own[name].shape != tensor.shape
        ],
        'not usable': unusable(own, tensors),
    }
    return '; '.join(f'{len(names)} {fault} ({shorten(names)})' for fault, names in faults.items() if names)


def unusable(own: Mapping[str, Tensor], tensors: Mapping[str, Tensor]) -> list[str]:
    """Tensors that are not finite, or whole numbers in the place of others, or the reverse, each with the reason."""
    found = []
    for name, tensor in tensors.items():
        if name not in own:
            continue
        if tensor.is_floating_point() != own[name].is_floating_point():
            found.append(f'{name} is {tensor.dtype} for {own[name].dtype}')
        elif tensor.is_floating_point() and not tensor.isfinite().all():
            found.append(f'{name} holds nan or inf')
    return found


def shorten(names: Sequence[str], limit: int = 3) -> str:
    """The first few names."""
    return ', '.join(names[:limit]) + (', …' if len(names) > limit else '')


def describe_other_classes(trained_on: Sequence[str] | None, classes: Sequence[str] | None) -> str:
    """How the classes of a checkpoint differ from those of a data set; empty where they do not or nobody says."""
    if not classes or not trained_on or list(trained_on) == list(classes):
        return ''
    return (
        f'was trained on the classes {shorten(list(trained_on))}, the data set has {shorten(list(classes))}: '
        'these are other classes, or another order of them'
    )
