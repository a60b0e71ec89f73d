"""A ``dataset.yaml`` for a folder, as ``tools/data/describe.py`` writes it."""

from pathlib import Path

from scaseg.datasets.dataset_yaml import NAME, write_description
from scaseg.datasets.propose import propose_description
from scaseg.errors import UserError


def describe_data(folder: Path, force: bool = False) -> Path:
    """Write a folder's ``dataset.yaml`` from its files, and print what was found.

    Args:
        folder: of images and labels, in one of the layouts of docs/own_data.md.
        force: replace a ``dataset.yaml``.

    Returns:
        The file written.

    Raises:
        UserError: the folder cannot be described or written, or it has a ``dataset.yaml`` already.
    """
    path = folder / NAME
    if not folder.is_dir():
        raise UserError(f'{folder}: this folder does not exist')
    if path.exists() and not force:
        raise UserError(f'{path} is there already: change it by hand, or replace it with --force')
    proposal = propose_description(folder)
    text = write_description(proposal.description, proposal.notes())
    try:
        path.write_text(text, encoding='utf-8')
    except OSError as error:
        raise UserError(f'{path} cannot be written: {error.strerror}; its text would be:\n{text}') from error
    for split, source in proposal.description.sources.items():
        print(f'{split}: {proposal.images[split]} images in {source.images}, labels in {source.labels}')
    print(text)
    for remark in proposal.remarks:
        print(f'- {remark}')
    print(f'Written to {path}: check it, then run  python tools/data/check.py --data {folder}')
    return path
