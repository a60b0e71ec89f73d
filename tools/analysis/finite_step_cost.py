"""What the look for losses and gradients that are not finite (FiniteStepHook) adds to a training step:

    python tools/analysis/finite_step_cost.py CONFIG [--batch-size 2] [--device cuda]

The step is that of train_speed.py on random images, without hooks.
"""

from scaseg.quiet import quiet_dependencies

quiet_dependencies()

import argparse  # noqa: E402

from scaseg.apis.cli import positive_int, run_tool, torch_device  # noqa: E402
from scaseg.apis.config import load_config  # noqa: E402
from scaseg.benchmarking.finite_step_cost import finite_step_cost  # noqa: E402


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('config', help='config file')
    parser.add_argument('--batch-size', type=positive_int, help='images of a step (default: that of the config)')
    parser.add_argument('--device', type=torch_device, default='cpu', help='cpu or cuda (default: cpu)')
    parser.add_argument('--seconds', type=float, default=3.0, help='of timed calls for each part (default: 3)')
    args = parser.parse_args()
    cfg = load_config(args.config)
    times = finite_step_cost(cfg, args.device, args.batch_size or cfg.train_dataloader.batch_size, args.seconds)
    step, before, check = (times[name].p50 for name in ('step', 'before', 'check'))
    print(f'step {step:.1f} ms, kept before it {before:.2f} ms, check {check:.2f} ms: {(before + check) / step:.2%}')


if __name__ == '__main__':
    run_tool(main)
