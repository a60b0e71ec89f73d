"""Kill a training at random moments, resume it to its end, and compare it bit for bit with an undisturbed one.

python tools/analysis/kill_and_resume.py --kills 20

The network is small and has all that makes a resume hard: flips, dropout, stochastic depth, an average of weights,
data workers, and checkpoints in the middle of an accumulation. Ends with status 1 where anything differs.
"""

import argparse
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import positive_int, run_tool  # noqa: E402
from scaseg.apis.kill_and_resume import kill_and_resume  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--kills', type=positive_int, default=20, help='SIGKILLs before the run may end (20)')
    parser.add_argument('--iterations', type=positive_int, default=60, help='of the training (60)')
    parser.add_argument('--seed', type=int, default=0, help='of the moments')
    parser.add_argument('--work-dir', type=Path, default=Path('work_dirs/kill_and_resume'), help='for both runs')
    parser.add_argument('--json', type=Path, help='file for the result')
    args = parser.parse_args()
    kill_and_resume(args.kills, args.iterations, args.seed, args.work_dir, args.json)


if __name__ == '__main__':
    run_tool(main)
