"""What the values of a config may be, where the class that takes them states no type or no range."""

from typing import Annotated, Any, Literal, TypedDict

from pydantic import Field

Positive = Annotated[int, Field(gt=0)]
Natural = Annotated[int, Field(ge=0)]
Finite = Annotated[float, Field(allow_inf_nan=False)]
NotNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Above0 = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Share = Annotated[float, Field(ge=0, le=1)]
ShareAbove0 = Annotated[float, Field(gt=0, le=1)]
Rate = Annotated[float, Field(ge=0, lt=1)]
Settings = dict[str, Any]
Size = tuple[Positive, Positive]
Triple = Annotated[list[Finite], Field(min_length=3, max_length=3)]


class TestCfg(TypedDict, total=False):
    """``model.test_cfg``: how an image is predicted."""

    mode: Literal['whole', 'slide']
    crop_size: Size
    stride: Size
    resampling: Literal['once', 'twice']
    full_logits: bool


class ClipGrad(TypedDict, total=False):
    """``optim_wrapper.clip_grad``, for torch's ``clip_grad_norm_`` or ``clip_grad_value_``."""

    type: Literal['norm', 'value']
    max_norm: Above0
    norm_type: Above0
    error_if_nonfinite: bool
    clip_value: Above0
    foreach: bool | None


class EnvCfg(TypedDict, total=False):
    """``env_cfg``: processes and libraries."""

    cudnn_benchmark: bool
    mp_cfg: dict
    dist_cfg: dict
    resource_limit: Positive


class MpCfg(TypedDict, total=False):
    """``env_cfg.mp_cfg``: processes of the data loaders."""

    mp_start_method: Literal['fork', 'spawn', 'forkserver']
    opencv_num_threads: Natural


class DistCfg(TypedDict, total=False):
    """``env_cfg.dist_cfg``: processes of a distributed run."""

    backend: str
    init_backend: str
    timeout: float


class Randomness(TypedDict, total=False):
    """``randomness``: the seed."""

    seed: Natural | None
    diff_rank_seed: bool
    deterministic: bool


# Dicts that are no class's: what mmengine and mmseg read of them.
UNTYPED: dict[str, type] = {
    'model.test_cfg': TestCfg,
    'optim_wrapper.clip_grad': ClipGrad,
    'env_cfg': EnvCfg,
    'env_cfg.mp_cfg': MpCfg,
    'env_cfg.dist_cfg': DistCfg,
    'randomness': Randomness,
}
# Keys at the top that are not arguments of a Runner.
ROOT_KEYS: dict[str, Any] = {
    'channels_last': bool,
    'check_files': bool,
    'class_weights': str | None,
    'compile': bool | Settings,
    'custom_imports': Settings,
    'env_cfg': Settings,
    'find_unused_parameters': bool,
    'fold_conv_bn': bool,
    'max_iters': Positive,
    'model': Settings,
    'optim_wrapper': Settings | None,
    'paired_init': bool,
    'param_scheduler': Settings | list[Settings] | None,
    'recompute_activations': bool | str | list[str],
    'runner_type': str,
    'test_cfg': Settings | None,
    'test_dataloader': Settings | None,
    'train_cfg': Settings | None,
    'train_dataloader': Settings | None,
    'tta_model': Settings | None,
    'tta_pipeline': list[Settings] | None,
    'val_cfg': Settings | None,
    'val_dataloader': Settings | None,
}
# What an argument of this name is in every class of the field that has it: many of them state no hint, few a range.
ARGUMENTS: dict[str, Any] = {
    'act_cfg': Settings | None,
    'align_corners': bool,
    'ann_file': str | None,
    'attn_drop_rate': Rate,
    'batch_size': Positive,
    'begin': Natural,
    'betas': tuple[Rate, Rate],
    'by_epoch': bool,
    'cat_max_ratio': ShareAbove0,
    'channels': Positive | list[Positive],
    'class_weight': list[NotNegative] | str | None,
    'conv_cfg': Settings | None,
    'crop_size': Positive | Size,
    'data_prefix': dict[str, str | None],
    'data_root': str | None,
    'dataset': Settings,
    'datasets': list[Settings],
    'drop_path': Rate,
    'drop_path_rate': Rate,
    'drop_rate': Rate,
    'dropout_ratio': Literal[-1] | Rate,  # mmseg's heads: -1 is none
    'end': Positive,
    'eps': Above0,
    'eta_min': NotNegative,
    'ignore_index': int | None,
    'img_suffix': str | tuple[str, ...],
    'in_channels': Positive | list[Positive] | None,  # None: as the encoder gives them
    'loss_decode': Settings | list[Settings],
    'loss_weight': NotNegative,
    'lr': NotNegative,
    'max_epochs': Positive,
    'max_iters': Positive,
    'mean': Triple | None,
    'milestones': list[Positive],
    'momentum': Share | None,
    'norm_cfg': Settings | None,
    'num_classes': Positive,
    'num_heads': Positive | list[Positive],
    'num_workers': Natural,
    'optimizer': Settings,
    'paramwise_cfg': Settings | None,
    'prob': Share | list[Share] | None,
    'persistent_workers': bool,
    'pin_memory': bool,
    'pipeline': list[Settings],
    'pretrained': str | None,
    'ratio_range': tuple[Above0, Above0],
    'reduce_zero_label': bool,
    'round_up': bool,
    'sampler': Settings | None,
    'seg_map_suffix': str,
    'shuffle': bool,
    'size_divisor': Positive | None,
    'start_factor': ShareAbove0,
    'std': Annotated[list[Above0], Field(min_length=3, max_length=3)] | None,
    'val_begin': Natural,
    'val_interval': Positive,
    'weight_decay': NotNegative,
}
# The same name, but another thing in these classes and those that inherit from them.
ARGUMENTS_OF: dict[tuple[str, str], Any] = {
    ('CheckpointHook', 'interval'): Literal[-1] | Positive,  # -1: only the last and the best
    ('LoggerHook', 'interval'): Positive,
    ('BandDataPreProcessor', 'mean'): list[Finite],
    ('BandDataPreProcessor', 'std'): list[Above0],
    ('SegDataPreProcessor', 'size'): Size | None,
    ('ToyScenes', 'size'): Positive,
    ('TIMMBackbone', 'pretrained'): bool | str | None,
    ('RandomResize', 'scale'): Size | list[Size],
    ('Resize', 'scale'): Positive | Size,
    ('RandomChoiceResize', 'scales'): Positive | Size | list[Size] | list[Positive],
}
