"""Unpack and convert: in parallel, again and again without harm, and never half a file under its final name."""

import re
from collections import deque
from collections.abc import Callable, Iterable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

from scaseg.errors import UserError, folder_problem

from .archives import find_archives, read_members
from .recipes import RECIPES, Lists, Recipe

WAITING = 64  # files in memory that are still to be converted and written


def prepare(name: str, src: Path, dst: Path, partial: bool = False) -> dict[str, int]:
    """Make a data set out of its archives. Files that are there already are kept, so a call goes on where one ended.

    Args:
        name: of ``RECIPES``.
        src: folder of the archives, as downloaded.
        dst: folder of the data set, as docs/datasets.md shows it.
        partial: accept other numbers of files than the whole data set has.

    Returns:
        Files in each folder.

    Raises:
        UserError: an archive is missing or damaged, a file cannot be read or written, or the numbers are not right.
    """
    if name not in RECIPES:
        raise UserError(f'{name!r}: choose one of {", ".join(RECIPES)}')
    if problem := folder_problem(dst):
        raise UserError(f'--dst {dst}: {problem}')
    recipe = RECIPES[name]
    archives = find_archives(src)
    lists = _read_lists(recipe, archives, src)
    seen: set[int] = set()
    with ThreadPoolExecutor() as pool:
        tasks: deque[Future] = deque()
        for place, convert, number, label, content in _members(recipe, archives, lists, dst, seen):
            tasks.append(pool.submit(_write, dst / place, content, convert, label))
            seen.add(number)
            if len(tasks) >= WAITING:
                tasks.popleft().result()
        for task in tasks:
            task.result()
    for number, rule in enumerate(recipe.rules):
        if number not in seen:
            raise UserError(
                f'--src {src}: no archive holds {rule.pattern.replace(chr(92), "")}. Needed are '
                f'{", ".join(recipe.archives)}, from {recipe.source}'
            )
    for file, names in (recipe.write_lists(lists) if recipe.write_lists else {}).items():
        _write(dst / file, ''.join(f'{image}\n' for image in sorted(names)).encode(), None, file)
    return _count(recipe, dst, partial)


def _members(
    recipe: Recipe, archives: Iterable[Path], lists: Lists, dst: Path, seen: set[int]
) -> Iterable[tuple[str, Callable[[bytes], bytes] | None, int, str, bytes]]:
    """Members that are still to be written: place, conversion, number of the rule, name for messages, content."""
    places: dict[str, tuple[str, int]] = {}

    def wanted(member: str) -> bool:
        for number, rule in enumerate(recipe.rules):
            place = rule.place(member, lists)
            if place is not None:
                places[member] = (place, number)
                if (dst / place).is_file():
                    seen.add(number)
                    return False
                return True
        return False

    for archive in archives:
        for member, content in read_members(archive, wanted):
            place, number = places.pop(member)
            yield place, recipe.rules[number].convert, number, f'{archive}: {member}', content


def _read_lists(recipe: Recipe, archives: Iterable[Path], src: Path) -> Lists:
    found: dict[str, frozenset[str]] = {}
    if not recipe.lists:
        return found
    patterns = {name: re.compile(r'(?:.*/)?' + pattern) for name, pattern in recipe.lists.items()}
    for archive in archives:
        for member, content in read_members(archive, lambda m: any(p.fullmatch(m) for p in patterns.values())):
            for name, pattern in patterns.items():
                if pattern.fullmatch(member):
                    found[name] = frozenset(content.decode().split())
    missing = sorted(recipe.lists.keys() - found.keys())
    if missing:
        raise UserError(
            f'--src {src}: the lists {", ".join(missing)} are in no archive. Needed are {", ".join(recipe.archives)}, '
            f'from {recipe.source}'
        )
    return found


def _write(path: Path, content: bytes, convert: Callable[[bytes], bytes] | None, label: str) -> None:
    """Convert a file and put it under its name when it is whole."""
    if convert is not None:
        try:
            content = convert(content)
        except Exception as error:  # decoders of PNG and MATLAB files raise many kinds
            raise UserError(f'{label}: it cannot be converted ({type(error).__name__}: {error})') from error
    part = path.with_name(f'.{path.name}.part')
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_bytes(content)
        part.replace(path)
    except OSError as error:
        raise UserError(f'{path}: it cannot be written ({error.strerror})') from error


def _count(recipe: Recipe, dst: Path, partial: bool) -> dict[str, int]:
    counts = {
        folder: sum(1 for path in (dst / folder).rglob('*') if path.is_file() and not path.name.startswith('.'))
        for folder in recipe.counts
    }
    wrong = [f'{folder}: {n} of {recipe.counts[folder]}' for folder, n in counts.items() if n != recipe.counts[folder]]
    if wrong and not partial:
        raise UserError(
            f'{dst}: the data set is not whole ({"; ".join(wrong)} files): download what is missing and call this '
            'again, or accept it with --partial'
        )
    return counts
