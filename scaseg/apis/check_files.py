"""The files of a data set, read before a network reads them: all, or a sample in the seconds before a training."""

import logging
import os
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.logging import print_log
from mmengine.registry import init_default_scope
from rich.progress import track

from scaseg.datasets.inspection import Finding, find_faults
from scaseg.errors import UserError, folder_problem

from .checks import check_data
from .config import load_config
from .data_report import print_report, write_report
from .data_splits import Split, open_folder, open_splits

SAMPLE, SECONDS = 64, 8.0  # of the check before a training: images of each split, and time for all


def check_before_training(cfg: Config) -> None:
    """Read a sample of the files that a training will read; ``check_files=False`` in the config leaves it out.

    Warnings go to the log.

    Raises:
        UserError: a fault that would end the training or make it worthless.
    """
    if not cfg.get('check_files', True) or os.environ.get('RANK', '0') != '0':
        return
    end = time.monotonic() + SECONDS
    splits = [split for split in open_splits(cfg) if split.infos]
    for split in splits:
        for read in split.read(SAMPLE):
            if time.monotonic() > end:
                split.facts.complete = False
                break
            split.facts.add(read())
    findings = find_faults([split.facts for split in splits if split.facts.samples])
    certain = [finding for finding in findings if finding.level == 'error']
    if certain:
        more = f' ({len(certain) - 1} more faults)' if len(certain) > 1 else ''
        raise UserError(
            f'{certain[0].text}{more}. A sample of the files was read; python tools/data/check.py {cfg.filename} '
            'reads them all, check_files=False trains nevertheless'
        )
    for finding in findings:
        if finding.level == 'warning' and finding.kind != 'left out':  # which check_data has said
            print_log(finding.text, level=logging.WARNING)


def check_data_set(
    config: str | None, data: str | None = None, options: dict[str, Any] | None = None, out: Path | None = None
) -> bool:
    """Read all training and validation files, print what is wrong, and write a page about it.

    Args:
        config: config file; without one, the folder ``data`` alone is read.
        data: folder of images and labels.
        options: changes to the config; ``data`` among them.
        out: folder for ``report.html`` and ``classes.csv``; ``None`` takes one below ``work_dirs/check``.

    Returns:
        Whether nothing is certainly wrong.

    Raises:
        UserError: the data set cannot be opened, or it has no files.
    """
    name = Path(data or str(config)).stem
    out = out or Path('work_dirs/check') / name
    if problem := folder_problem(out):
        raise UserError(f'--out {out}: {problem}; name another folder')
    init_default_scope('mmseg')
    if config is None:
        splits = open_folder(str(data))
    else:
        cfg = load_config(config, options)
        check_data(cfg, ['train_dataloader', 'val_dataloader'])
        splits = open_splits(cfg)
    if not any(split.infos for split in splits):
        raise UserError(f'{config}: its data sets read no files of this machine')
    findings = _check_all(splits)
    print_report(splits, findings)
    print(f'page: {write_report(f"Data check: {name}", splits, findings, out)}')
    return all(finding.level != 'error' for finding in findings)


def _check_all(splits: Sequence[Split]) -> list[Finding]:
    """Read every file of the splits, in parallel, and find their faults."""
    with ThreadPoolExecutor() as pool:
        for split in splits:
            results = pool.map(lambda read: read(), split.read())
            for sample in track(results, description=f'reading {split.facts.name}', total=len(split.infos)):
                split.facts.add(sample)
    return find_faults([split.facts for split in splits])
