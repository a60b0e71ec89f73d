"""List the pretrained encoder weights, or fetch some by name.

python tools/weights/fetch.py                        what there is, and where it lies on this machine
python tools/weights/fetch.py mscan-t mit-b0         download what is missing
python tools/weights/fetch.py mscan-t --dir weights  the same, into another folder
"""

import argparse
from pathlib import Path

from scaseg.apis.cli import run_tool
from scaseg.errors import UserError
from scaseg.weights.store import find_local, obtain, search_folders
from scaseg.weights.table import TABLE, EncoderWeights


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('names', nargs='*', metavar='NAME', help='names from the list; none prints the list')
    parser.add_argument('--dir', type=Path, help='folder to look in and download to (default: see docs/pretrained.md)')
    args = parser.parse_args()
    folders = [args.dir] if args.dir else search_folders()
    for name in args.names:
        print(f'{name}: {obtain(_entry(name), folders)}')
    if not args.names:
        for weights in TABLE.values():
            print(f'{weights.name:<18}  {_place(weights, folders):<60}  {weights.licence}')


def _entry(name: str) -> EncoderWeights:
    if name not in TABLE:
        raise UserError(f'{name!r} is not in the table; names: {", ".join(TABLE)}')
    return TABLE[name]


def _place(weights: EncoderWeights, folders: list[Path]) -> str:
    try:
        return str(find_local(weights, folders) or 'not here')
    except UserError as error:  # one bad file must not hide the rest of the list
        return str(error)


if __name__ == '__main__':
    run_tool(main)
