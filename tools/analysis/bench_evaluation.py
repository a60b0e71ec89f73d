"""Time and memory of an evaluation, mmseg's way and ours, on the same model and image:

    python tools/analysis/bench_evaluation.py [CONFIG ...]

Without a config, SCASeg-T on an image of ADE20K (150 classes, 512 x 683) and on one of Cityscapes (19, 1024 x 2048).
mmseg's way is EncoderDecoder with IoUMetric, ours LeanEncoderDecoder with ConfusionMetric. The weights, the image and
its labels are random; reading files is in no figure. The ways take turns, "ratio" is the time over mmseg's, and "peak"
the most that tensors take beyond weights and inputs. "other labels" is the share of pixels that differ from mmseg's,
and means little on random logits.
Inside the timed region:
"""

import os
from pathlib import Path

from scaseg.quiet import quiet_dependencies

os.environ.setdefault('KINETO_LOG_LEVEL', '99')  # torch's profiler, which counts memory, reports its start and stop
quiet_dependencies()

from scaseg.apis.cli import measuring_parser, run_tool  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402
from scaseg.benchmarking.evaluation_calls import PARTS, build_evaluations, calls_of  # noqa: E402
from scaseg.benchmarking.timing import (  # noqa: E402
    append_csv,
    call_rows,
    circumstances,
    library_versions,
    print_markdown,
)

REPOSITORY = Path(__file__).parents[2]
CONFIGS = [
    REPOSITORY / 'configs/scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py',
    REPOSITORY / 'configs/scaseg/scaseg_mscan-t_8xb1-160k_cityscapes-1024x1024.py',
]


def main() -> None:
    inside = '\n'.join(f'    {name}: {text}' for name, text in PARTS.items())
    parser = measuring_parser(f'{__doc__}\n{inside}', 'work_dirs/benchmarks/evaluation.csv')
    parser.add_argument('configs', nargs='*', type=Path, metavar='CONFIG')
    parser.add_argument('--part', nargs='+', choices=list(PARTS), default=list(PARTS))
    args = parser.parse_args()
    about = circumstances(args.device) | library_versions()
    print(', '.join(f'{name} {value}' for name, value in about.items()))
    for config in args.configs or CONFIGS:
        evaluations = build_evaluations(load_config(config), args.device)
        for part in args.part:
            calls = calls_of(evaluations, part)
            rows = call_rows(['way'], {(name,): call for name, call in calls.items()}, 1, args.device, args.seconds)
            labels = {name: call() for name, call in calls.items()}
            for row in rows:
                differs = labels[str(row['way'])] != labels['mmseg']
                row['peak / mmseg'] = round(float(row['peak (MiB)']) / float(rows[0]['peak (MiB)']), 3)
                row['other labels (%)'] = round(100 * differs.float().mean().item(), 3)
            print_markdown(f'{config.stem}, {part}', rows)
            append_csv(args.csv, [about | dict(config=config.stem, part=part) | row for row in rows])
    print(f'\nappended to {args.csv}')


if __name__ == '__main__':
    run_tool(main)
