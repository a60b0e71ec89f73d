"""mmengine's epoch-based training, which can be resumed in the middle of an epoch."""

from mmengine.runner import EpochBasedTrainLoop
from mmseg.registry import LOOPS


@LOOPS.register_module()
class ExactEpochTrainLoop(EpochBasedTrainLoop):
    """``EpochBasedTrainLoop`` that goes on behind the last batch of a checkpoint; mmengine's starts the epoch anew.

    ``QuietRunner`` puts it in the place of mmengine's.

    Args:
        See ``mmengine.runner.EpochBasedTrainLoop``.
    """

    def run_epoch(self) -> None:
        """Train what is left of an epoch."""
        if self.dataloader.batch_size is None:  # a batch sampler of the config's knows no positions
            super().run_epoch()
            return
        self._epoch, done = divmod(self._iter, len(self.dataloader))
        self.runner.call_hook('before_train_epoch')
        self.runner.model.train()
        self.dataloader.sampler.skip(self._iter * self.dataloader.batch_size)
        for idx, data_batch in enumerate(self.dataloader, start=done):
            self.run_iter(idx, data_batch)
        self.runner.call_hook('after_train_epoch')
        self._epoch += 1
