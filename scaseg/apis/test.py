"""Evaluation, as ``tools/test.py`` does it."""

from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.model import BaseTTAModel, is_model_wrapper

from scaseg.engine import PredictionHook
from scaseg.errors import UserError
from scaseg.models import LeanTTAModel

from .build import build_runner, set_work_dir
from .checkpoint import load_weights
from .checks import check_data, check_device, leaf_datasets
from .config import load_config
from .outputs import check_folders, check_picture_names, prepare_pictures


def test(
    config: str | Path,
    checkpoint: str | Path,
    work_dir: str | Path | None = None,
    tta: bool = False,
    out: str | Path | None = None,
    show_dir: str | Path | None = None,
    figure: str | Path | None = None,
    options: dict[str, Any] | None = None,
    launcher: str = 'none',
) -> dict[str, float]:
    """Evaluate a checkpoint on the test data of a config.

    Args:
        config: config file.
        checkpoint: file with the weights; every tensor must fit.
        work_dir: where the log goes; ``None`` takes the config's, or ``work_dirs/`` and its name.
        tta: evaluate over the scales and flips of the config's ``tta_pipeline``.
        out: folder for the predictions as label PNG, in the ids of the data set.
        show_dir: folder for the predictions painted over the images.
        figure: PNG with image, truth, prediction and errors of a few samples spread over the data set.
        options: changes to the config, by dotted key.
        launcher: how the processes of a distributed run were started, or ``'none'``.

    Returns:
        The metrics by name (mIoU in percent).

    Raises:
        UserError: config, data, checkpoint or device is not as it must be.
    """
    cfg = load_config(config, options)
    cfg.launcher = launcher
    set_work_dir(cfg, work_dir)
    cfg.model.pretrained = None  # the checkpoint holds the encoder
    cfg.load_from, cfg.resume = None, False
    check_device(cfg)
    check_data(cfg, ['test_dataloader'])
    check_folders(cfg, {'--out': out, '--show-dir': show_dir, '--figure': figure and Path(figure).parent})
    prepare_pictures(out, show_dir, figure)
    if out is not None:
        evaluators = cfg.test_evaluator if isinstance(cfg.test_evaluator, list) else [cfg.test_evaluator]
        for evaluator in evaluators:
            evaluator.output_dir = str(out)
    if tta:
        use_tta(cfg)
    for key in ('train_dataloader', 'train_cfg', 'optim_wrapper', 'param_scheduler', 'val_dataloader', 'val_cfg'):
        cfg[key] = None
    cfg.val_evaluator = None
    runner = build_runner(cfg)
    model = runner.model.module if is_model_wrapper(runner.model) else runner.model
    dataset = runner.test_dataloader.dataset
    check_picture_names(dataset, {'--out': out, '--show-dir': show_dir})
    classes = dataset.metainfo.get('classes')
    if isinstance(model, BaseTTAModel):
        _check_tta(model, cfg)
        model = model.module
    load_weights(model, checkpoint, classes)
    if show_dir is not None or figure is not None:
        runner.register_hook(PredictionHook(show_dir, figure))
    return runner.test()


def use_tta(cfg: Config) -> None:
    """Evaluate over the views of ``tta_pipeline``: changes the config.

    Raises:
        UserError: the config has no ``tta_pipeline`` or no ``tta_model``.
    """
    if cfg.get('tta_pipeline') is None:
        raise UserError(f'{cfg.filename}: --tta needs a tta_pipeline in the config, see configs/_base_/datasets')
    if cfg.get('tta_model') is None:
        raise UserError(
            f'{cfg.filename}: --tta needs a tta_model in the config, see configs/_base_/default_runtime.py'
        )
    for _, dataset in leaf_datasets('', cfg.test_dataloader.dataset):
        dataset['pipeline'] = cfg.tta_pipeline
    cfg.model = dict(**cfg.tta_model, module=cfg.model)


def _check_tta(model: BaseTTAModel, cfg: Config) -> None:
    head = model.module.decode_head
    if getattr(head, 'gives_probabilities', False) and not isinstance(model, LeanTTAModel):
        raise UserError(
            f'{cfg.filename}: tta_model.type={type(model).__name__!r} would take the softmax of what '
            f"{type(head).__name__} gives, which are probabilities; set it to 'LeanTTAModel'"
        )
