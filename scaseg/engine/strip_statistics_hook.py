"""How strip attention is used in the course of a training, as scalars in its log."""

from contextlib import ExitStack
from typing import Any

from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner
from mmseg.registry import HOOKS

from scaseg.models.attention_weights import AttentionCall, recorded_attention
from scaseg.models.strip_statistics import strip_statistics


@HOOKS.register_module()
class StripStatisticsHook(Hook):
    """Logs spread of queries and keys, entropy and saturation of every head of strip attention.

    The scalars are called ``strip/LAYER/head0/entropy`` and so on, see ``StripStatistics``; they are of one batch of
    each process, in training mode. ``tools/analysis/plot_attention.py`` draws them. With ``compile`` nothing is
    logged, as a compiled network calls no hooks.

    Args:
        interval: iterations from one measurement to the next.
    """

    priority = 'LOW'

    def __init__(self, interval: int = 50) -> None:
        self.interval = interval
        self._recording = ExitStack()
        self._calls: list[AttentionCall] = []

    def before_train_iter(self, runner: Runner, batch_idx: int, data_batch: Any = None) -> None:
        """Record this iteration, if it is its turn."""
        if self.every_n_train_iters(runner, self.interval):
            model = runner.model.module if is_model_wrapper(runner.model) else runner.model
            self._calls = self._recording.enter_context(recorded_attention(model))

    def after_train_iter(
        self, runner: Runner, batch_idx: int, data_batch: Any = None, outputs: dict | None = None
    ) -> None:
        """Log what was recorded, and let go of it."""
        self._recording.close()
        seen: set[str] = set()
        for call in self._calls:
            if call.kind != 'strip' or call.name in seen:  # recomputed activations are a second call
                continue
            seen.add(call.name)
            for figure, heads in vars(strip_statistics(call)).items():
                for head, value in enumerate(heads):
                    runner.message_hub.update_scalar(f'train/strip/{call.name}/head{head}/{figure}', value)
        self._calls = []
