"""mmengine's Runner with a terminal that stays readable."""

import contextlib
from collections.abc import Iterator
from functools import partial
from typing import Any

import torch
from mmengine.dist import get_rank
from mmengine.logging import MMLogger
from mmengine.model import BaseTTAModel, is_model_wrapper
from mmengine.runner import BaseLoop, EpochBasedTrainLoop, Runner
from mmengine.visualization import Visualizer
from mmseg.registry import LOOPS, RUNNERS
from torch import nn
from torch.utils.data import DataLoader

from scaseg.datasets import with_checked_loaders
from scaseg.errors import UserError, machine_problem
from scaseg.quiet import quiet_logger

from .exact_data import exact_dataloader
from .exact_epoch_loop import ExactEpochTrainLoop
from .network_options import prepare_network
from .paired_init import build_paired
from .resume_hook import ResumeHook
from .shared_statistics_hook import SharedStatisticsHook
from .stop_hook import StopHook


@RUNNERS.register_module()
class QuietRunner(Runner):
    """Runner that writes the environment, the whole config and the order of the hooks to the log file only.

    They are logged while the Runner is being built: too early for a hook, so the filters come with the logger.

    Hooks with a method ``on_exception(runner)`` are told of an exception, Ctrl-C included, before it goes its way:
    what is printed about it should not be appended to a live line.

    It also reads the keys for speed and memory (``network_options``) and ``paired_init``, and makes the training data
    exact (``exact_data``).
    """

    _network_is_prepared = False
    _train_dataloader: DataLoader | dict[str, Any]

    def dump_config(self) -> None:
        """Write the config into the work folder before a training; a test has cut it down and keeps it to itself."""
        if self.cfg.get('train_cfg') is not None:
            super().dump_config()

    def build_logger(self, *args, **kwargs) -> MMLogger:
        logger = super().build_logger(*args, **kwargs)
        quiet_logger(logger)
        logger.info(f'Environment, config and full log: {logger.log_file}')
        return logger

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        if isinstance(model, nn.Module) or not self.cfg.get('paired_init'):
            return super().build_model(model)
        return build_paired(partial(super().build_model, model), self.data_seed)

    def _init_model_weights(self) -> None:
        if not self.cfg.get('paired_init'):  # else they are there, and the wrapper has broadcast them
            super()._init_model_weights()

    def register_hooks(self, *args: Any, **kwargs: Any) -> None:
        """Those of the config, and what every training has: resuming, signals, one set of running statistics."""
        super().register_hooks(*args, **kwargs)
        self.register_hook(ResumeHook())
        self.register_hook(StopHook())
        self.register_hook(SharedStatisticsHook())

    @property
    def data_seed(self) -> int:
        """The seed of the training data, the same on all processes."""
        return self.seed - (get_rank() if self._randomness_cfg.get('diff_rank_seed') else 0)

    def build_train_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """Build the loop over exact data, whatever sampler the config names."""
        if isinstance(loop, dict):
            kind = LOOPS.get(loop['type']) if isinstance(loop.get('type'), str) else loop.get('type')
            by_epoch = loop.get('by_epoch', kind is not None and issubclass(kind, EpochBasedTrainLoop))
            if by_epoch and kind in (None, EpochBasedTrainLoop):
                loop = {**loop, 'type': ExactEpochTrainLoop}
                loop.pop('by_epoch', None)
            if isinstance(self._train_dataloader, dict):
                self._train_dataloader = exact_dataloader(self._train_dataloader, self.data_seed, by_epoch)
        return super().build_train_loop(loop)

    @staticmethod
    def build_dataloader(
        dataloader: DataLoader | dict[str, Any], seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """Build a loader that names a broken file and leaves alone the network's generator, from which torch draws."""
        loader = Runner.build_dataloader(with_checked_loaders(dataloader), seed, diff_rank_seed)
        if loader.generator is None:
            loader.generator = torch.Generator()
        return loader

    def resume(self, *args: Any, **kwargs: Any) -> None:
        """Resume; the checkpoint's seed, which mmengine takes over, is the seed of the data, too."""
        sampler, seed = self.train_dataloader.sampler, self.data_seed
        super().resume(*args, **kwargs)
        if getattr(sampler, 'seed', None) == seed:
            sampler.seed = self.data_seed

    def build_visualizer(self, visualizer: Visualizer | dict | None = None) -> Visualizer:
        """One for each run: mmengine keeps visualizers by name, and the name in a config is for mmseg's tools."""
        if isinstance(visualizer, dict):
            visualizer = {**visualizer, 'name': self._experiment_name}
        return super().build_visualizer(visualizer)

    def wrap_model(self, model_wrapper_cfg: dict | None, model: nn.Module) -> nn.Module:
        if self.cfg.get('channels_last'):  # before DDP, whose buckets take the layout that they find
            model.to(memory_format=torch.channels_last)
        return super().wrap_model(model_wrapper_cfg, model)

    def load_or_resume(self) -> None:
        """Load what is to be loaded, then do what the config says about speed (``network_options``)."""
        super().load_or_resume()
        model = self.model.module if is_model_wrapper(self.model) else self.model
        model = model.module if isinstance(model, BaseTTAModel) else model
        if not self._network_is_prepared:
            prepare_network(model, self.cfg, training=self._train_loop is not None)
            self._network_is_prepared = True

    def _maybe_compile(self, target: str) -> None:
        """Nothing: mmengine would compile the whole training step, and here the network is compiled already."""

    def train(self) -> nn.Module:
        with self._exceptions_told():
            return super().train()

    def val(self) -> dict:
        with self._exceptions_told():
            return super().val()

    def test(self) -> dict:
        with self._exceptions_told():
            return super().test()

    @contextlib.contextmanager
    def _exceptions_told(self) -> Iterator[None]:
        try:
            yield
        except BaseException as error:
            self.call_hook('on_exception')
            if (problem := machine_problem(error, self.work_dir)) is not None:
                raise UserError(problem) from error
            raise
