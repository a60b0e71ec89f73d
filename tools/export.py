"""Export a trained model, with a proof: python tools/export.py work_dirs/quickstart --to onnx --out scaseg.onnx"""

import argparse
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import positive_int, run_tool  # noqa: E402
from scaseg.apis.model_source import MODEL_HELP, split_model  # noqa: E402
from scaseg.export import FORMATS, export_model  # noqa: E402
from scaseg.export.proof import MOST_FLIPS  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Write a trained model in another form, if that is proved to be the same network.',
        epilog=f'MODEL is {MODEL_HELP}.',
    )
    parser.add_argument('model', nargs='+', metavar='MODEL', help='what to export')
    parser.add_argument('--to', choices=FORMATS, required=True, help='form of the export')
    parser.add_argument('--out', type=Path, required=True, help='file or folder to write')
    parser.add_argument(
        '--size', type=positive_int, nargs=2, metavar=('H', 'W'), help="of the images (default: the training's crop)"
    )
    parser.add_argument('--dynamic', action='store_true', help='any batch and size, where the network can')
    parser.add_argument('--with-preprocessing', action='store_true', help='uint8 RGB images in, labels out')
    parser.add_argument(
        '--most-flips',
        type=float,
        default=MOST_FLIPS,
        metavar='SHARE',
        help='share of labels that may differ from the original (default: 0.001)',
    )
    args = parser.parse_args()
    model, checkpoint, rest = split_model(args.model)
    if rest:
        parser.error(f'unexpected {rest}: MODEL is {MODEL_HELP}')
    size = tuple(args.size) if args.size else None
    proof = export_model(
        model, checkpoint, args.to, args.out, size, args.dynamic, args.with_preprocessing, most_flips=args.most_flips
    )
    print(f'wrote {args.out}' + (f': {proof}' if proof else ''))


if __name__ == '__main__':
    run_tool(main)
