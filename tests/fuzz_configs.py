"""Random changes of random configs: each ends in a trained step or in one line, never in a traceback.

python tests/fuzz_configs.py --count 500 --seed 0
"""

import argparse
import contextlib
import io
import random
import tempfile
import traceback
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis import train  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402
from scaseg.errors import UserError  # noqa: E402

REPOSITORY = Path(__file__).parents[1]
CONFIGS = sorted((REPOSITORY / 'configs').glob('*/*_toyscenes-128x128.py'))
ROOTS = ('model', 'train_dataloader', 'optim_wrapper', 'param_scheduler', 'train_cfg', 'default_hooks', 'randomness')
VALUES: list[Any] = [
    0,
    1,
    -1,
    3,
    1.5,
    -0.5,
    float('nan'),
    'x',
    '',
    True,
    False,
    None,
    [],
    [1],
    [0, 0],
    {},
    {'type': 'x'},
]
SMALL = {
    'train_cfg.max_iters': 1,
    'train_dataloader.batch_size': 2,
    'train_dataloader.num_workers': 0,
    'train_dataloader.persistent_workers': False,
    'train_dataloader.dataset.size': 4,
    'val_dataloader.num_workers': 0,
    'val_dataloader.persistent_workers': False,
    'val_dataloader.dataset.size': 1,
}


def places(key: str, node: Any) -> Iterator[tuple[str, Any]]:
    """All dotted keys below a node, with their values."""
    entries = node.items() if isinstance(node, dict) else enumerate(node) if isinstance(node, (list, tuple)) else ()
    for name, value in entries:
        yield f'{key}.{name}', value
        yield from places(f'{key}.{name}', value)


def mutate(dice: random.Random, config: dict[str, Any]) -> dict[str, Any]:
    """One change: another value, a value of the same kind far off, or a misspelt key."""
    root = dice.choice(ROOTS)
    key, value = dice.choice(list(places(root, config[root])))
    kind = dice.random()
    if kind < 0.15 and not key.rpartition('.')[2].isdecimal():
        return {f'{key}x': value}
    if kind < 0.4 and isinstance(value, (int, float)):
        return {key: dice.choice([value * 1000, value + 1, -value, value / 3])}
    return {key: dice.choice(VALUES)}


def attempt(path: Path, options: dict[str, Any]) -> str:
    """How a training of one step ends: ``'trained'``, ``'one line'``, or the traceback."""
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(io.StringIO()):
        try:
            train(path, work_dir=Path(folder) / 'run', options=SMALL | options)
        except UserError as error:
            return 'one line' if 'Traceback' not in str(error) else str(error)
        except Exception:  # what is looked for
            return traceback.format_exc()
    return 'trained'


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--count', type=int, default=500, help='changes to try (default: 500)')
    parser.add_argument('--seed', type=int, default=0, help='of the changes (default: 0)')
    args = parser.parse_args()
    dice, ends = random.Random(args.seed), Counter[str]()
    configs = {path: load_config(path).to_dict() for path in CONFIGS if 'distill' not in path.name}
    for _ in range(args.count):
        path = dice.choice(list(configs))
        options = mutate(dice, configs[path])
        end = attempt(path, options)
        ends[end if end in ('trained', 'one line') else 'traceback'] += 1
        if end not in ('trained', 'one line'):
            print(f'{path.name} {options}\n{end}', flush=True)
    print(', '.join(f'{end}: {count}' for end, count in sorted(ends.items())))
    raise SystemExit(int(ends['traceback'] > 0))


if __name__ == '__main__':
    main()
