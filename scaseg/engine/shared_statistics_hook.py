"""One set of running statistics for all processes."""

from typing import Any

from mmengine.dist import all_reduce_params
from mmengine.hooks import Hook
from mmengine.runner import Runner
from mmseg.registry import HOOKS
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm


@HOOKS.register_module()
class SharedStatisticsHook(Hook):
    """Averages the running statistics of BN over the processes after each training iteration.

    Each process gathers them on its own images. mmengine leaves them apart, so that a validation scores as many
    networks as there are processes, a checkpoint holds that of the first, and a resume gives it to all. Statistics are
    linear in those of the batches, and training does not read them: averaged now or later they are the same.
    """

    priority = 'ABOVE_NORMAL'  # before what averages the weights, validates or saves

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: Any = None) -> None:
        """Average them; one process has nothing to do."""
        if runner.distributed:
            all_reduce_params(moving_statistics(runner.model), op='mean')


def moving_statistics(model: nn.Module) -> list[Tensor]:
    """Running means and variances that this process moves alone: SyncBN's are shared, frozen ones stay."""
    norms = (x for x in model.modules() if isinstance(x, _BatchNorm) and not isinstance(x, nn.SyncBatchNorm))
    moving = [x for x in norms if x.training and x.track_running_stats]
    return [tensor for x in moving for tensor in (x.running_mean, x.running_var) if tensor is not None]
