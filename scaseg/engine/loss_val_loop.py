"""Validation that gives the loss, too."""

from collections import defaultdict
from collections.abc import Sequence
from math import fsum
from typing import Any

import torch
from mmengine.dist import all_gather_object
from mmengine.model import is_model_wrapper
from mmengine.runner import ValLoop, autocast
from mmseg.registry import LOOPS

from scaseg.errors import UserError


@LOOPS.register_module()
class LossValLoop(ValLoop):
    """mmengine's ``ValLoop`` whose figures hold ``val_loss`` and ``val_<term>`` for each term of it.

    They are means over the images of what the model's ``loss`` gives in evaluation mode, at the size of the label
    file: of whole images, even where predictions are made in sliding windows. The network sees each image twice. The
    sums are rounded once, so the figures do not depend on the number of processes.

    Args:
        See ``mmengine.runner.ValLoop``.

    Raises:
        UserError: the images of a validation are padded.
    """

    def run(self) -> dict[str, float]:
        """Validate, and give the figures to the hooks."""
        self.runner.call_hook('before_val')
        self.runner.call_hook('before_val_epoch')
        self.runner.model.eval()
        self.terms: dict[str, list[float]] = defaultdict(list)
        for index, batch in enumerate(self.dataloader):
            self.run_iter(index, batch)
        metrics = self.evaluator.evaluate(len(self.dataloader.dataset)) | self._loss_figures()
        self.runner.call_hook('after_val_epoch', metrics=metrics)
        self.runner.call_hook('after_val')
        return metrics

    @torch.no_grad()
    def run_iter(self, idx: int, data_batch: Sequence[dict]) -> None:
        super().run_iter(idx, data_batch)
        model = self.runner.model.module if is_model_wrapper(self.runner.model) else self.runner.model
        data = model.data_preprocessor(data_batch, False)
        if any(any(sample.metainfo.get('img_padding_size', ())) for sample in data['data_samples']):
            raise UserError(
                'LossValLoop: model.data_preprocessor.test_cfg pads the images, whose labels stay as they are; resize '
                'them in the test pipeline instead (ResizeToMultiple)'
            )
        for image, sample in zip(data['inputs'], data['data_samples'], strict=True):  # labels may differ in size
            with autocast(enabled=self.fp16):
                _, values = model.parse_losses(model.loss(image[None], [sample]))
            for name, value in values.items():
                self.terms[f'val_{name}'].append(value.item())

    def _loss_figures(self) -> dict[str, float]:
        """Means of all terms over the images of all processes."""
        parts: list[dict[str, list[float]]] = all_gather_object(dict(self.terms))
        names = dict.fromkeys(name for part in parts for name in part)
        values: dict[str, list[Any]] = {name: [v for part in parts for v in part.get(name, [])] for name in names}
        return {name: fsum(column) / len(column) for name, column in values.items()}
