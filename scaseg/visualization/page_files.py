"""HTML pages that are never written over anyone else's file."""

from pathlib import Path

from scaseg.errors import UserError, folder_problem

MARK = '<!-- scaseg -->'


def save_page(page: str, path: Path) -> None:
    """Write a page with our mark at its end.

    Raises:
        UserError: a file that we did not write lies there, or the folder cannot be made or written.
    """
    check_page_replaceable(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f'{page}\n{MARK}\n', encoding='utf-8')


def check_page_replaceable(path: Path) -> None:
    """Check that a page may be written.

    Raises:
        UserError: a file that we did not write lies there, or the folder cannot be made or written.
    """
    if problem := folder_problem(path.parent):
        raise UserError(f'{path} cannot be written: {problem}; name another folder')
    if path.exists() and not (path.is_file() and MARK in path.read_text(encoding='utf-8', errors='replace')[-200:]):
        raise UserError(f'{path} exists and was not written by scaseg: it is kept; name another folder')
