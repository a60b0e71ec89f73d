"""Initial weights that pair: tensors of one name start alike in two networks, whatever else these hold.

Random numbers come in one row, so that a block more in a head gives every layer behind it other weights, and two
variants of an ablation differ by their start as well as by what is compared. Here each random tensor has a row of its
own, which follows from the seed and from the tensor's name. Distributions are those of the code that draws: two heads
that initialise a layer of one name by different rules still differ there.

``paired_init = True`` at the top of a config asks for it.
"""

from collections import Counter
from collections.abc import Callable, Iterable
from typing import Any

import torch
from mmengine.model import BaseModule
from numpy.random import SeedSequence
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode


def build_paired(build: Callable[[], BaseModule], seed: int) -> BaseModule:
    """Build a model and initialise it, on the CPU, with weights that follow from the seed and their names.

    The name of a tensor is known when the model is complete, so it is built twice: to see which tensors the random
    numbers go to, then with the numbers that belong to them. What is drawn for no parameter or buffer, or for one that
    is only computed from it, has the row of all unnamed tensors.

    Args:
        build: makes the model, the same each time.
        seed: of the weights.

    Returns:
        The model, initialised.
    """
    with DrawsByName(seed) as draws:
        sketch = _build_and_initialise(build)
    names = {x.untyped_storage().data_ptr(): name for name, x in _tensors(sketch)}
    owners = [names.get(x.untyped_storage().data_ptr(), '') for x in draws.drawn]
    with DrawsByName(seed, owners):
        return _build_and_initialise(build)


class DrawsByName(TorchDispatchMode):
    """While active, random operations on CPU tensors draw from rows of their own; the global generator stands still.

    Args:
        seed: of all rows.
        names: of the tensors in the order of the operations.
    """

    def __init__(self, seed: int, names: Iterable[str] = ()) -> None:
        super().__init__()
        self.seed = seed
        self.names = iter(names)
        self.counts: Counter[str] = Counter()
        self.drawn: list[Tensor] = []  # kept, so that no other tensor takes the place of one that is gone

    def __torch_dispatch__(self, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        if torch.Tag.nondeterministic_seeded not in func.tags:
            return func(*args, **(kwargs or {}))
        name = next(self.names, '')
        row = SeedSequence(self.seed, spawn_key=(self.counts[name], *name.encode()))
        self.counts[name] += 1
        with torch.random.fork_rng(devices=[]):
            torch.default_generator.manual_seed(int(row.generate_state(1, 'uint64')[0]))
            self.drawn.append(func(*args, **(kwargs or {})))
        return self.drawn[-1]


def _build_and_initialise(build: Callable[[], BaseModule]) -> BaseModule:
    model = build()
    model.init_weights()
    return model


def _tensors(model: BaseModule) -> list[tuple[str, Tensor]]:
    return [*model.named_parameters(), *model.named_buffers()]
