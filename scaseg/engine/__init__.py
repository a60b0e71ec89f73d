"""Importing this package registers scaseg's hooks, runner, optimiser constructor and file backend."""

from .atomic_backend import AtomicLocalBackend
from .exact_data import CountedSampler, ExactDataset, ExactSampler, exact_dataloader
from .exact_epoch_loop import ExactEpochTrainLoop
from .finite_step_hook import FiniteStepHook
from .grouped_constructor import GroupedOptimWrapperConstructor
from .loss_val_loop import LossValLoop
from .paired_init import build_paired
from .prediction_hook import PredictionHook
from .progress_logger_hook import ProgressLoggerHook
from .resume_hook import ResumeHook
from .run_checkpoint_hook import RunCheckpointHook
from .runner import QuietRunner
from .shared_statistics_hook import SharedStatisticsHook
from .stop_hook import StopHook
from .strip_statistics_hook import StripStatisticsHook

__all__ = [
    'AtomicLocalBackend',
    'CountedSampler',
    'ExactDataset',
    'ExactEpochTrainLoop',
    'ExactSampler',
    'FiniteStepHook',
    'GroupedOptimWrapperConstructor',
    'LossValLoop',
    'PredictionHook',
    'ProgressLoggerHook',
    'QuietRunner',
    'ResumeHook',
    'RunCheckpointHook',
    'SharedStatisticsHook',
    'StopHook',
    'StripStatisticsHook',
    'build_paired',
    'exact_dataloader',
]
