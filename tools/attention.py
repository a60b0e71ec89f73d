"""Where a network looks: python tools/attention.py work_dirs/quickstart street.png --at 64 100"""

import argparse

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.attention_files import attention_files  # noqa: E402
from scaseg.apis.cli import run_tool  # noqa: E402
from scaseg.apis.model_source import MODEL_HELP, split_model  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Attention maps, curves and statistics of one picture, as pictures and an HTML page.',
        epilog=f'MODEL is {MODEL_HELP}.',
    )
    parser.add_argument('words', nargs='+', metavar='MODEL IMAGE', help='MODEL, then a picture')
    question = parser.add_mutually_exclusive_group(required=True)
    question.add_argument('--at', nargs=2, type=int, metavar=('X', 'Y'), help='the pixel that looks')
    question.add_argument('--class', dest='class_name', metavar='NAME', help='the mean over the pixels of a class')
    parser.add_argument('--out', default='attention', metavar='DIR', help='folder to write to (default: attention)')
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda (default: auto)')
    args = parser.parse_args()
    model, checkpoint, images = split_model(args.words)
    if len(images) != 1:
        parser.error('name one picture behind MODEL')
    at = tuple(args.at) if args.at else None
    for path in attention_files(model, checkpoint, images[0], args.out, at, args.class_name, args.device):
        print(path)


if __name__ == '__main__':
    run_tool(main)
