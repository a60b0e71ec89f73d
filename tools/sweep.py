"""Train what a sweep declares: python tools/sweep.py configs/sweeps/toyscenes_heads.yaml --work-dir work_dirs/heads"""

import argparse
import sys
from pathlib import Path

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

from scaseg.apis.cli import positive_int, run_tool  # noqa: E402
from scaseg.experiments.costs import measure_costs  # noqa: E402
from scaseg.experiments.estimate import describe_plan  # noqa: E402
from scaseg.experiments.spec import ENGINES  # noqa: E402
from scaseg.experiments.sweep import plan_sweep, summary, sweep  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(
        description='Train every run of a sweep; a second start goes on where it stopped.'
    )
    parser.add_argument('sweep', type=Path, help='sweep file (YAML), see docs/sweeps.md')
    parser.add_argument('--work-dir', type=Path, required=True, help='folder for the checkpoints and logs of all runs')
    parser.add_argument('--results', type=Path, help='folder for the result files (default: the work folder)')
    parser.add_argument('--jobs', type=positive_int, help='runs at a time (default: what the file says, or 1)')
    parser.add_argument('--engine', choices=ENGINES, help='what starts them (default: what the file says, or local)')
    parser.add_argument('--dry-run', action='store_true', help='list runs, commands and estimated time; train nothing')
    parser.add_argument('--costs', action='store_true', help='measure latency and memory side by side; train nothing')
    parser.add_argument('--retry-failed', action='store_true', help='start the runs again that failed before')
    args = parser.parse_args()
    if args.dry_run:
        print(describe_plan(plan_sweep(args.sweep, args.work_dir, args.results), args.jobs or 1))
        return
    if args.costs:
        print(measure_costs(plan_sweep(args.sweep, args.work_dir, args.results), args.results or args.work_dir))
        return
    runs = sweep(args.sweep, args.work_dir, args.results, args.engine, args.jobs, args.retry_failed)
    print(summary(runs))
    sys.exit(0 if all(run.result.exists() for run in runs) else 1)


if __name__ == '__main__':
    run_tool(main)
