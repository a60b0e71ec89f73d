"""Predict images, folders and videos: python tools/predict.py work_dirs/quickstart street.jpg --out predictions"""

import argparse
import sys

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import positive_int, run_tool  # noqa: E402
from scaseg.apis.model_source import MODEL_HELP, split_model  # noqa: E402
from scaseg.apis.predict_files import predict_files  # noqa: E402
from scaseg.visualization import PICTURES  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Predict images, folders, patterns, video files or a camera. An interrupted run is continued.',
        epilog=f'MODEL is {MODEL_HELP}.',
    )
    parser.add_argument(
        'words',
        nargs='+',
        metavar='MODEL SOURCE',
        help='MODEL, then images, folders, patterns, videos, camera numbers',
    )
    parser.add_argument(
        '--out', default='predictions', metavar='DIR', help='folder to write to (default: predictions)'
    )
    parser.add_argument(
        '--pictures',
        nargs='+',
        choices=list(PICTURES),
        default=['overlay', 'labels'],
        help='(default: overlay labels)',
    )
    parser.add_argument('--device', default='auto', help='auto, cpu or cuda (default: auto)')
    parser.add_argument('--half', action='store_true', help='half precision, on a GPU')
    parser.add_argument('--tta', action='store_true', help='average over several scales and flips')
    parser.add_argument('--batch-size', type=positive_int, help='images of equal size at once (default: 1, GPU: 8)')
    args = parser.parse_args()
    model, checkpoint, sources = split_model(args.words)
    if not sources:
        parser.error('SOURCE is missing: name images, folders, patterns, videos or the number of a camera')
    failures = predict_files(
        model, checkpoint, sources, args.out, args.pictures, args.device, args.half, args.tta, args.batch_size
    )
    if failures:
        print(f'{len(failures)} could not be predicted, the first: {failures[0]}', file=sys.stderr)
        sys.exit(1)


if __name__ == '__main__':
    run_tool(main)
