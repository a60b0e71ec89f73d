"""What is wrong with a data set, or probably so: each fault in one sentence with its remedy."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from scaseg.datasets.label_code import IGNORED, describe_values

from .file_facts import SampleFacts
from .split_facts import SplitFacts

Level = Literal['error', 'warning', 'note']
SHOWN = 3
TINY, HUGE = 64, 4096  # pixels of the shorter and of the longer side
AT_CONTOURS = 0.9  # share of zero pixels beside another id from which 0 looks like a border
RARE = 0.01  # share of files
NEAR_BITS, NEAR_LEVELS = 6, 6.0  # of 64 bits of a fingerprint, gray levels of thumbnails
FLAT_BITS = 6  # a fingerprint of fewer bits is that of a flat image and tells nothing


@dataclass(frozen=True)
class Finding:
    """A fault.

    Attributes:
        level: ``'error'`` is certainly wrong, ``'warning'`` probably, a ``'note'`` is good to know.
        kind: the same for all faults of one kind.
        text: a sentence with names and numbers, and what to do.
        examples: samples that show it.
    """

    level: Level
    kind: str
    text: str
    examples: tuple[SampleFacts, ...] = ()


def find_faults(splits: Sequence[SplitFacts]) -> list[Finding]:
    """All faults of the splits and between them, the certain ones first."""
    checks: list[Callable[[SplitFacts], list[Finding]]] = [
        _unreadable,
        _sizes,
        _stray,
        _binary,
        _zero,
        _absent,
        _kinds,
        _extents,
        _unlabelled,
        lambda split: [Finding('warning', 'left out', f'{split.name}: {note}') for note in split.notes],
    ]
    found = [finding for split in splits for check in checks for finding in check(split)]
    by_name = {split.name: split for split in splits}
    if 'train' in by_name and 'val' in by_name:
        found += _shared(by_name['train'], by_name['val'])
    order = {'error': 0, 'warning': 1, 'note': 2}
    return sorted(found, key=lambda finding: order[finding.level])


def _unreadable(split: SplitFacts) -> list[Finding]:
    images = [sample for sample in split.samples if sample.image_error]
    labels = [sample for sample in split.samples if sample.label_error]
    found = []
    if images:
        first = f'{images[0].image_path} ({images[0].image_error})'
        text = f'{split.name}: {len(images)} images cannot be read: {first}. Restore them, or take them out'
        found.append(Finding('error', 'unreadable image', text, tuple(images)))
    if labels:
        first = f'{labels[0].label_path} ({labels[0].label_error})'
        text = f'{split.name}: {len(labels)} label files cannot be read: {first}'
        found.append(Finding('error', 'unreadable label', text, tuple(labels)))
    return found


def _sizes(split: SplitFacts) -> list[Finding]:
    wrong = [s for s in split.samples if s.image_size and s.label_size and s.image_size != s.label_size]
    turned = [s for s in wrong if s.turned and s.image_size == s.label_size[::-1]]  # type: ignore[index]
    found = []
    for samples, reason in (
        (turned, 'the EXIF data turn the image, but not its label: export both turned, or remove the orientation tag'),
        ([s for s in wrong if s not in turned], 'save both at one size'),
    ):
        if samples:
            first = samples[0]
            text = (
                f'{split.name}: {len(samples)} labels have another size than their image: {first.label_path} has '
                f'{first.label_size}, the image {first.image_size} (height, width); {reason}'
            )
            found.append(Finding('error', 'sizes differ', text, tuple(samples)))
    return found


def _stray(split: SplitFacts) -> list[Finding]:
    samples = [sample for sample in split.samples if sample.stray]
    if not samples:
        return []
    total: dict[int, int] = {}
    for sample in samples:
        for value, count in sample.stray.items():
            total[value] = total.get(value, 0) + count
    colours = split.coded and max(total) >= 1 << 16
    remedy = 'add them to a class or to ignore in dataset.yaml'
    if not split.coded:
        remedy = f'legal are 0..{len(split.classes) - 1} and {IGNORED}'
        remedy += ' after 1 was taken off (reduce_zero_label=True)' if split.reduce_zero_label else ''
        if not split.reduce_zero_label and set(total) == {len(split.classes)}:
            remedy += '; if 0 stands for "not labelled" in the files, set reduce_zero_label=True on the data set'
    text = (
        f'{split.name}: {len(samples)} label files hold {describe_values(total.items(), colours)} of no class, the '
        f'first is {samples[0].label_path}; {remedy}'
    )
    return [Finding('error', 'ids of no class', text, tuple(samples))]


def _binary(split: SplitFacts) -> list[Finding]:
    if split.coded or set(split.values) != {0, IGNORED} or len(split.classes) < 2:
        return []
    text = (
        f'{split.name}: the label files hold only 0 and {IGNORED}, and {IGNORED} is ignored: a network would see one '
        'class. Write 1 for the object, or describe the folder (tools/data/describe.py) and train with --data'
    )
    return [Finding('error', 'masks of 0 and 255', text, tuple(split.labelled))]


def _zero(split: SplitFacts) -> list[Finding]:
    """Evidence for and against ``reduce_zero_label``, with its numbers."""
    labelled = split.labelled
    if split.coded or not labelled or set(split.values) == {0, IGNORED}:
        return []
    with_zero = [s for s in labelled if s.values.get(0)]
    borders = [s for s in with_zero if s.zero_at_contours >= AT_CONTOURS]
    numbers = (
        f'id 0 occurs in {len(with_zero)} of {len(labelled)} files and lies within 3 pixels of another id in '
        f'{len(borders)} of these'
    )
    last = max((value for value in split.values if value != IGNORED), default=0)
    if split.reduce_zero_label and last < len(split.classes) and split.complete:
        text = (
            f'{split.name}: reduce_zero_label=True reads id 0 as "not labelled" and takes 1 off all others, but no '
            f'file holds the id {len(split.classes)}, which would be {split.classes[-1]!r}; {numbers}. If the classes '
            'start at 0, set reduce_zero_label=False'
        )
        return [Finding('warning', 'reduce_zero_label', text, tuple(with_zero))]
    is_odd = len(with_zero) < RARE * len(labelled) or (with_zero and len(borders) > (1 - RARE) * len(with_zero))
    if is_odd and not split.reduce_zero_label and len(split.classes) > 2:
        text = (
            f'{split.name}: {numbers}, so 0 looks like "not labelled" or a border, but it is read as '
            f'{split.classes[0]!r}. If the classes start at 1, set reduce_zero_label=True'
        )
        return [Finding('warning', 'reduce_zero_label', text, tuple(borders))]
    return []


def _absent(split: SplitFacts) -> list[Finding]:
    absent = [name for name, count in zip(split.classes, split.pixels, strict=True) if not count]
    if not absent or not split.labelled or not split.complete:
        return []
    effect = 'their IoU will be 0 or nan' if split.name == 'train' else 'they are in no mean'
    shown = ', '.join(absent[:10]) + (f' and {len(absent) - 10} more' if len(absent) > 10 else '')
    text = (
        f'{split.name}: {len(absent)} of {len(split.classes)} classes never occur ({shown}): {effect}. Check the ids '
        'and the split, or take these classes out'
    )
    return [Finding('warning', 'absent classes', text)]


def _kinds(split: SplitFacts) -> list[Finding]:
    found = []
    kinds: dict[str, list[SampleFacts]] = {}
    for sample in split.samples:
        kinds.setdefault(sample.image_kind, []).append(sample)
    for kind, samples in kinds.items():
        many = f'{split.name}: {len(samples)} images are {kind}, the first is {samples[0].image_path}'
        if kind.startswith(('16-bit', '32-bit')) and not split.takes_deep_images:
            text = f'{many}: set reduce_depth=True on LoadImageFromFile to keep their upper 8 bits, or save 8 bits'
            found.append(Finding('error', 'deep images', text, tuple(samples)))
        elif 'CMYK' in kind:
            text = f'{many}: colours of print, which turn out differently in every program. Save them as RGB'
            found.append(Finding('warning', 'CMYK', text, tuple(samples)))
        elif kind.endswith(('RGBA', 'LA', 'PA')):
            found.append(Finding('note', 'transparency', f'{many}; the transparency is dropped', tuple(samples)))
    known = sorted(kind for kind in kinds if kind)
    if len({kind.split(' of ')[0] for kind in known if 'bands of' in kind}) > 1:
        counts = ', '.join(f'{len(kinds[kind])} with {kind}' for kind in known)
        examples = tuple(kinds[known[0]][:1] + kinds[known[1]][:1])
        text = f'{split.name}: the images differ in their number of bands: {counts}'
        found.append(Finding('error', 'bands differ', text, examples))
    if len(known) > 1:
        counts = ', '.join(f'{len(kinds[kind])} {kind}' for kind in known)
        found.append(Finding('note', 'mixed kinds', f'{split.name}: the images are of several kinds: {counts}'))
    return found


def _extents(split: SplitFacts) -> list[Finding]:
    tiny = [sample for sample in split.samples if min(sample.image_size or (TINY,)) < TINY]
    huge = [sample for sample in split.samples if max(sample.image_size or (0,)) > HUGE]
    found = []
    if tiny:
        text = f'{split.name}: {len(tiny)} images have a side of fewer than {TINY} pixels, the first is'
        found.append(Finding('warning', 'tiny images', f'{text} {tiny[0].image_path}', tuple(tiny)))
    if huge:
        text = (
            f'{split.name}: {len(huge)} images have a side of more than {HUGE} pixels, the first is '
            f"{huge[0].image_path}: cut them into tiles, or set model.test_cfg.mode='slide' for the test"
        )
        found.append(Finding('note', 'huge images', text, tuple(huge)))
    return found


def _unlabelled(split: SplitFacts) -> list[Finding]:
    empty = [s for s in split.labelled if s.class_pixels and set(s.class_pixels) == {IGNORED}]
    if not empty or set(split.values) == {0, IGNORED}:
        return []
    text = f'{split.name}: {len(empty)} label files have no labelled pixel, the first is {empty[0].label_path}'
    return [Finding('warning', 'no labelled pixel', text, tuple(empty))]


def _shared(train: SplitFacts, val: SplitFacts) -> list[Finding]:
    """Images of ``val`` that are in ``train``, too: the score of them tells nothing."""
    digests = {sample.digest: sample for sample in train.samples if sample.digest}
    same = [(digests[s.digest], s) for s in val.samples if s.digest in digests]
    found = []
    remedy = 'the score tells nothing about new images. Take them out of one of the two'
    if same:
        pair = f'{same[0][1].image_path} is {same[0][0].image_path}'
        text = f'{len(same)} of {len(val.samples)} images of val are in train, too ({pair}): {remedy}'
        found.append(Finding('warning', 'duplicates', text, tuple(s for pair in same for s in pair)))
    twins = [(t, v) for t, v in _near(train.samples, val.samples) if t.digest != v.digest]
    if twins:
        pair = f'{twins[0][1].image_path} and {twins[0][0].image_path}'
        text = (
            f'{len(twins)} of {len(val.samples)} images of val look like one of train (such as {pair}): frames of one '
            f'film, crops or copies? Then {remedy}'
        )
        found.append(Finding('warning', 'near-duplicates', text, tuple(s for pair in twins for s in pair)))
    return found


def _near(train: Sequence[SampleFacts], val: Sequence[SampleFacts]) -> list[tuple[SampleFacts, SampleFacts]]:
    """For each image of ``val``, the one of ``train`` that looks most like it, if one does."""
    usable = [s for s in train if FLAT_BITS <= s.fingerprint.bit_count() <= 64 - FLAT_BITS]
    prints = np.array([s.fingerprint for s in usable], np.uint64)
    pairs = []
    for sample in val:
        if not usable or not FLAT_BITS <= sample.fingerprint.bit_count() <= 64 - FLAT_BITS:
            continue
        distances = np.bitwise_count(prints ^ np.uint64(sample.fingerprint))
        for index in np.flatnonzero(distances <= NEAR_BITS)[np.argsort(distances[distances <= NEAR_BITS])][:SHOWN]:
            if _levels_apart(usable[index], sample) <= NEAR_LEVELS:
                pairs.append((usable[index], sample))
                break
    return pairs


def _levels_apart(first: SampleFacts, second: SampleFacts) -> float:
    assert first.thumbnail is not None
    assert second.thumbnail is not None
    return float(np.abs(first.thumbnail.astype(np.int16) - second.thumbnail).mean())
