"""Every key of a config has a reader, and one that has none is named."""

from pathlib import Path

import pytest
from mmengine.config import Config

from scaseg.apis.config_keys import check_keys
from scaseg.errors import UserError

REPOSITORY = Path(__file__).parents[2]
CONFIG = REPOSITORY / 'configs/scaseg/scaseg_mscan-t_8xb2-160k_ade20k-512x512.py'


def load(**options: object) -> Config:
    cfg = Config.fromfile(CONFIG)
    cfg.merge_from_dict({key.replace('__', '.'): value for key, value in options.items()})
    return cfg


@pytest.mark.parametrize(
    'key, meant',
    [
        ('model.decode_head.kv_strid', 'kv_stride'),
        ('model.decode_head.norm_cfg.epss', 'eps'),
        ('model.decode_head.block.drop_pat', 'drop_path'),
        ('model.decode_head.block.attention.qk_scal', 'qk_scale'),
        ('model.decode_head.context.sorce', 'source'),
        ('model.decode_head.loss_decode.class_weights', 'class_weight'),
        ('model.backbone.drop_path', 'drop_path_rate'),
        ('model.data_preprocessor.bgr2rgb', 'bgr_to_rgb'),
        ('model.test_cfg.mod', 'mode'),
        ('train_dataloader.batch_sise', 'batch_size'),
        ('train_dataloader.dataset.data_rot', 'data_root'),
        ('train_dataloader.dataset.pipeline.4.cat_max_ration', 'cat_max_ratio'),
        ('train_dataloader.dataset.pipeline.3.keep_ration', 'keep_ratio'),
        ('train_dataloader.sampler.shufle', 'shuffle'),
        ('optim_wrapper.optimizer.weightdecay', 'weight_decay'),
        ('param_scheduler.1.powr', 'power'),
        ('train_cfg.max_itrs', 'max_iters'),
        ('default_hooks.checkpoint.intervall', 'interval'),
        ('val_evaluator.class_tabel', 'class_table'),
        ('env_cfg.cudnn_benchmrk', 'cudnn_benchmark'),
        ('randomness.sed', 'seed'),
    ],
)
def test_a_misspelt_argument(key: str, meant: str) -> None:
    name = key.rsplit('.', 1)[1]
    with pytest.raises(UserError, match=rf"{name}: .* takes no '{name}'; did you mean '{meant}'\?"):
        check_keys(load(**{key: 1}))


def test_a_misspelt_argument_of_a_block_that_is_meant_by_default() -> None:
    cfg = load()
    cfg.model.decode_head.block = dict(ffn=dict(ration=2.0))
    with pytest.raises(UserError, match=r"block\.ffn\.ration: FeedForward takes no 'ration'; did you mean 'ratio'\?"):
        check_keys(cfg)


def test_a_misspelt_section() -> None:
    with pytest.raises(UserError, match=r"nothing reads the key 'optim_wraper'; did you mean 'optim_wrapper'\?"):
        check_keys(load(optim_wraper=dict(type='OptimWrapper')))


@pytest.mark.parametrize(
    'options',
    [
        dict(my_lengths=[1, 2]),
        dict(custom_hooks=[dict(type='EMAHook', momentum=0.001), dict(type='EarlyStoppingHook', monitor='mIoU')]),
        dict(optim_wrapper__clip_grad=dict(type='norm', max_norm=35.0), optim_wrapper__accumulative_counts=2),
        dict(model__auxiliary_head=dict(type='FCNHead', in_channels=160, in_index=2, channels=64, num_classes=150)),
        dict(model__backbone=dict(_delete_=True, type='TIMMFeatures', model_name='convnext_tiny', drop_path_rate=0.1)),
        dict(model__decode_head__block__attention__qk_scale=1.0, model__decode_head__block__local=None),
        dict(model__backbone__init_cfg=dict(type='Normal', std=0.01, override=dict(name='stem'))),
    ],
    ids=[
        'a variable',
        'hooks',
        'optimiser wrapper',
        'auxiliary head',
        'arguments of timm',
        'blocks',
        'initialisation',
    ],
)
def test_what_has_a_reader_passes(options: dict) -> None:
    check_keys(load(**options))


def test_every_config_of_mmsegmentation_with_its_own_classes_passes() -> None:
    """The check knows the conventions of the field, not ours alone: a hundred configs that others wrote."""
    import mmseg

    folder = Path(mmseg.__file__).parent / '.mim/configs'
    paths = [
        path for name in ('segformer', 'segnext', 'ccnet', 'swin', 'upernet') for path in (folder / name).glob('*.py')
    ]
    if not paths:
        pytest.skip('this mmsegmentation comes without its configs')
    for path in paths:
        check_keys(Config.fromfile(path))
