"""What the command line tools share: the flags, and how an error looks."""

import argparse
import logging
import os
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import torch
import torch.distributed
from mmengine.config import DictAction

from scaseg.errors import Stopped, UserError, folder_problem

OTHERS_WAIT = 3.0  # seconds
LOST_PEER = ('Connection closed by peer', 'Connection reset by peer', 'Broken pipe')  # as gloo says it


class OptionAction(DictAction):
    """mmengine's KEY=VALUE pairs; a word without '=' is a usage error."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Sequence[str], option: str | None
    ) -> None:
        for value in values:
            if '=' not in value:
                parser.error(f'{option} {value}: expected KEY=VALUE')
        try:
            super().__call__(parser, namespace, values, option)
        except (AssertionError, ValueError, IndexError, RecursionError) as error:
            parser.error(f'{option} {" ".join(values)}: these values cannot be read ({type(error).__name__})')


class VariantAction(OptionAction):
    """KEY=VALUE pairs of one variant; each time that the flag is given adds a variant to a list."""

    def __call__(
        self, parser: argparse.ArgumentParser, namespace: argparse.Namespace, values: Sequence[str], option: str | None
    ) -> None:
        variants, alone = getattr(namespace, self.dest), argparse.Namespace()
        super().__call__(parser, alone, values, option)
        setattr(namespace, self.dest, [*variants, getattr(alone, self.dest)])


def torch_device(name: str) -> torch.device:
    """A device that torch has here, as the type of an argument."""
    try:
        found = torch.device(name)
    except RuntimeError:
        raise argparse.ArgumentTypeError(f'{name!r} is neither cpu nor cuda') from None
    if found.type not in ('cpu', 'cuda'):
        raise argparse.ArgumentTypeError(f'{name!r} is neither cpu nor cuda')
    if found.type == 'cuda' and not 0 <= (found.index or 0) < torch.cuda.device_count():  # torch wraps large indices
        raise argparse.ArgumentTypeError(f'{name}: torch finds {torch.cuda.device_count()} GPUs')
    return found


def positive_int(number: str) -> int:
    """An integer of 1 or more, as the type of an argument."""
    if not number.isdecimal() or int(number) < 1:
        raise argparse.ArgumentTypeError(f'{number}: expected an integer of 1 or more')
    return int(number)


def appendable_file(name: str) -> Path:
    """A file that can be written, which is found out before anything is measured, as the type of an argument."""
    path = Path(name)
    problem = folder_problem(path.parent)
    if problem is None and path.exists():
        problem = 'it is a folder' if path.is_dir() else None if os.access(path, os.W_OK) else 'no permission'
    if problem is not None:
        raise argparse.ArgumentTypeError(f'{name} cannot be written ({problem})')
    return path


def measuring_parser(description: str, csv: str) -> argparse.ArgumentParser:
    """A parser with the arguments of every tool that measures time."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument('--device', type=torch_device, default=torch.device('cpu'), help='cpu or cuda (default: cpu)')
    parser.add_argument('--seconds', type=float, default=5.0, help='of timed calls for each row (default: 5)')
    parser.add_argument('--csv', type=appendable_file, default=csv, help=f'file to append to (default: {csv})')
    return parser


def config_parser(description: str) -> argparse.ArgumentParser:
    """A parser with the arguments of every tool that builds a runner from a config."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument('config', help='config file')
    parser.add_argument('--work-dir', help='folder for checkpoints and logs (default: work_dirs/ and the config name)')
    parser.add_argument(
        '--cfg-options',
        nargs='+',
        action=OptionAction,
        metavar='KEY=VALUE',
        help='changes to the config: train_dataloader.batch_size=4 model.decode_head.kv_stride=8 key="[a,b]"',
    )
    parser.add_argument('--data', metavar='FOLDER', help='own images and labels, in place of those of the config')
    parser.add_argument(
        '--launcher',
        choices=['none', 'pytorch', 'slurm', 'mpi'],
        default='none',
        help='set by tools/dist_*.sh and tools/slurm_*.sh',
    )
    return parser


def config_options(args: argparse.Namespace) -> dict:
    """The changes to a config that a command line asks for: ``--data`` is a key like others."""
    return {**(args.cfg_options or {}), **({'data': args.data} if args.data else {})}


def run_tool(main: Callable[[], object]) -> None:
    """Run a tool and end with its exit status.

    A UserError becomes one line and status 2, a training that a signal has ended one line and its status (75, or 130
    after Ctrl-C), a second Ctrl-C status 130. Of several processes the first one speaks, the others if it lives on.
    """
    try:
        main()
        status = 0
    except UserError as error:
        status = _say(f'error: {_message(error)}', 2)
    except Stopped as stopped:
        status = _say(str(stopped), stopped.exit_code)
    except KeyboardInterrupt:
        status = _say('interrupted', 130)
    except RuntimeError as error:
        if not any(words in str(error) for words in LOST_PEER):
            raise
        status = _say('error: another process of this run is gone, its error is the one to mend', 1)
    if torch.distributed.is_initialized():
        _end_process_of_many(status)
    if status:
        sys.exit(status)


def _say(message: str, status: int) -> int:
    if os.environ.get('RANK', '0') != '0':
        time.sleep(OTHERS_WAIT)  # an error of all processes is on the screen once: the launcher ends the others here
    print(message, file=sys.stderr)
    return status


def _end_process_of_many(status: int) -> None:
    """End this process without tearing down the interpreter.

    A thread of gloo may hold the tensors of the last reduction a moment longer than we do. Where it frees them while
    the interpreter ends, it aborts the process, and torchrun reports a failure of a run that is complete.
    """
    if status == 0:
        torch.distributed.destroy_process_group()
    logging.shutdown()
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(status)


def _message(error: UserError) -> str:
    """The message alone: a data loader's worker hands its error on with the worker's traceback in front of it."""
    return str(error).rsplit('UserError: ', maxsplit=1)[-1].strip()
