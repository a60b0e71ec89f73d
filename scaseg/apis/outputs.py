"""Where a run may write: not where its data lie, and never over a file that somebody else wrote."""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from mmengine.config import Config

from scaseg.errors import UserError
from scaseg.evaluation.files import image_roots, make_folder, output_name
from scaseg.visualization import check_replaceable

from .checks import leaf_datasets


def check_folders(cfg: Config, outputs: Mapping[str, str | Path | None] | None = None) -> None:
    """Check that no folder that a run writes into is one that its data sets read from.

    Args:
        cfg: the whole config, with its ``work_dir``.
        outputs: further folders, by the flag that names each; ``None`` where it is not given.

    Raises:
        UserError: names the flag or key, and the data that lie there.
    """
    folders = {'work_dir (--work-dir)': cfg.get('work_dir'), **(outputs or {})}
    for evaluator in ('val_evaluator', 'test_evaluator'):
        metrics = cfg.get(evaluator) or []
        for metric in [metrics] if isinstance(metrics, dict) else metrics:
            folders |= {f'{evaluator}.{key}': metric.get(key) for key in ('output_dir', 'matrix_dir')}
    data = dict(_data_folders(cfg))
    for name, folder in folders.items():
        if folder is None:
            continue
        place = Path(folder).resolve()
        key = next((key for key, read in data.items() if place.is_relative_to(read)), None)
        if key is not None:
            raise UserError(f'{name}={folder}: the data of {key} lie in {data[key]}; name a folder outside of it')


def prepare_pictures(out: str | Path | None, show_dir: str | Path | None, figure: str | Path | None) -> None:
    """Find out before a test, not after it, whether its pictures can be written; makes their folders.

    Raises:
        UserError: two of them would go into one folder, or one cannot be made or written.
    """
    if figure is not None and (Path(figure).suffix != '.png' or Path(figure).is_dir()):
        raise UserError(f'--figure {figure}: the picture is a PNG file, give it a name that ends in .png')
    if out is not None and show_dir is not None and Path(out).resolve() == Path(show_dir).resolve():
        raise UserError(
            f'--out and --show-dir are both {out}, where their files have the same names; name two folders'
        )
    if figure is not None:
        check_replaceable(Path(figure))
    for flag, folder in {'--out': out, '--show-dir': show_dir, '--figure': figure and Path(figure).parent}.items():
        make_folder(folder, flag)


def check_picture_names(dataset: Any, folders: Mapping[str, str | Path | None]) -> None:
    """Check that each image gets a name of its own, which no other's file has.

    Args:
        dataset: of a test.
        folders: for one PNG per image, by the flag that names each.

    Raises:
        UserError: names the file.
    """
    roots = image_roots(dataset)
    images = [dataset.get_data_info(index)['img_path'] for index in range(len(dataset))]
    for flag, folder in folders.items():
        names: dict[Path, str] = {}
        for image in images if folder is not None else ():
            name = output_name(image, roots)
            if names.setdefault(name, image) != image:
                raise UserError(f'{flag}: {names[name]} and {image} would both be saved as {name}; rename one')
            if (Path(folder or '') / name).exists():
                check_replaceable(Path(folder or '') / name)


def _data_folders(cfg: Config) -> Iterator[tuple[str, Path]]:
    for loader in ('train_dataloader', 'val_dataloader', 'test_dataloader'):
        if cfg.get(loader) is not None:
            for key, dataset in leaf_datasets(f'{loader}.dataset', cfg[loader].dataset):
                prefixes = dataset.get('data_prefix') or {}
                for name, prefix in prefixes.items():
                    if prefix is not None and '://' not in f'{dataset.get("data_root")}{prefix}':
                        folder = Path(dataset.get('data_root') or '', prefix).resolve()
                        yield f'{key}.data_prefix.{name}', folder
