"""The record of a folder of predictions: what was predicted from what, so that a second run continues the first."""

import csv
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from scaseg.errors import UserError, folder_problem
from scaseg.visualization import check_replaceable, picture_paths

from .image_sources import Picture

LOG, TABLE, SUMMARY = 'predictions.jsonl', 'areas.csv', 'areas.json'


class PredictionLog:
    """One line of JSON for each file that was predicted, under a first line that names the model.

    Args:
        folder: where the predictions go; made when the first entry is added.
        model: what made them: checkpoint, its size and time, and how it was used.

    Raises:
        UserError: the folder cannot be written, holds predictions of another model, or holds a file of the record's
            name that is none.
    """

    def __init__(self, folder: Path, model: dict[str, Any]) -> None:
        self.folder = folder
        self.model = model
        self.entries: dict[str, dict[str, Any]] = {}
        if problem := folder_problem(folder):
            raise UserError(f'--out {folder}: {problem}; name another folder')
        self.path = folder / LOG
        if self.path.exists():
            self._read()
        else:
            for name in (TABLE, SUMMARY):
                if (folder / name).exists():
                    raise UserError(f'--out {folder}: {name} in it is not ours and is kept; name another folder')

    def is_done(self, name: str, source: Path, pictures: Sequence[str], paths: Sequence[Path]) -> bool:
        """Whether a file, as it is now, was predicted, and all its pictures are there.

        Raises:
            UserError: the name belongs to another file.
        """
        entry = self.entries.get(name)
        if entry is None:
            return False
        if entry['source'] != str(source.resolve()):
            raise UserError(f'{source}: {self.folder} holds {name!r} of {entry["source"]}; name another folder')
        return (
            entry['stamp'] == _stamp(source)
            and set(pictures) <= set(entry['pictures'])
            and all(path.is_file() for path in paths)
        )

    def is_listed(self, name: str) -> bool:
        """Whether files of this name were written by an earlier run."""
        return name in self.entries

    def add(self, name: str, source: Path | None, pictures: Sequence[str], **about: Any) -> None:
        """Record one file, on the disk as well."""
        entry = {
            'name': name,
            'source': str(source.resolve()) if source else None,
            'stamp': _stamp(source) if source else None,
            'pictures': list(pictures),
            **about,
        }
        is_new = not self.path.exists()
        self.folder.mkdir(parents=True, exist_ok=True)
        with self.path.open('a', encoding='utf-8') as file:
            if is_new:
                file.write(json.dumps({'scaseg': 'predictions', 'model': self.model}) + '\n')
            file.write(json.dumps(entry) + '\n')
        self.entries[name] = entry

    def write_tables(self, classes: Sequence[str]) -> None:
        """Write the areas of all files as CSV (percent, a column for each class) and as JSON (pixels)."""
        entries = [self.entries[name] for name in sorted(self.entries)]
        if not entries:
            return
        with (self.folder / TABLE).open('w', newline='', encoding='utf-8') as file:
            writer = csv.writer(file)
            writer.writerow(['name', 'source', 'height', 'width', 'mean confidence', *classes])
            for entry in entries:
                total = sum(entry['pixels'].values())
                shares = [round(100 * entry['pixels'].get(name, 0) / total, 4) for name in classes]
                about = [entry[key] for key in ('name', 'source', 'height', 'width', 'confidence')]
                writer.writerow([*about, *shares])
        content = {'model': self.model, 'classes': list(classes), 'files': entries}
        (self.folder / SUMMARY).write_text(json.dumps(content, indent=1) + '\n', encoding='utf-8')

    def _read(self) -> None:
        lines = self.path.read_text(encoding='utf-8', errors='replace').splitlines()
        entries = []
        for number, line in enumerate(lines):
            try:
                entries.append(json.loads(line))
            except json.JSONDecodeError:
                if number < len(lines) - 1:
                    raise UserError(f'{self.path}: line {number + 1} is damaged; remove the line') from None
        first = entries[0] if entries else None
        if not isinstance(first, dict) or first.get('scaseg') != 'predictions':
            raise UserError(
                f'--out {self.folder}: {self.path.name} in it is not ours and is kept; name another folder'
            )
        if first['model'] != self.model:
            raise UserError(
                f'--out {self.folder} holds predictions of {first["model"]["checkpoint"]}, made in another way or by '
                'other weights; name another folder'
            )
        self.entries = {entry['name']: entry for entry in entries[1:]}
        if lines and not self.path.read_bytes().endswith(b'\n'):  # of a run that was killed while it wrote
            with self.path.open('w', encoding='utf-8') as file:
                file.writelines(json.dumps(entry) + '\n' for entry in entries)


def pending(log: PredictionLog, pictures: Sequence[Picture], kinds: Sequence[str]) -> list[Picture]:
    """Those of the pictures that are not predicted yet.

    Raises:
        UserError: a file that we did not write lies where one of ours would go, or a name is taken.
    """
    left = []
    for picture in pictures:
        assert picture.path is not None  # the command line has files only
        paths = picture_paths(log.folder, picture.name, kinds)
        if log.is_done(picture.name, picture.path, kinds, paths):
            continue
        for path in paths:
            check_replaceable(path)
        left.append(picture)
    return left


def _stamp(source: Path) -> list[int]:
    """Size in bytes and time of the last change: a file that is neither larger nor younger is the same."""
    status = source.stat()
    return [status.st_size, status.st_mtime_ns]
