"""An evaluation in mmseg's way and in ours, on the same model and images, to be measured side by side."""

from collections.abc import Callable
from typing import NamedTuple

import torch
from mmengine.config import Config, ConfigDict
from mmengine.evaluator import BaseMetric
from mmengine.structures import PixelData
from mmseg.evaluation import IoUMetric
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from scaseg.errors import UserError
from scaseg.evaluation import ConfusionMetric
from scaseg.models import LeanEncoderDecoder
from scaseg.models.decode_heads.mask_classification_head import MaskClassificationHead
from scaseg.models.layers import MaskPrediction
from scaseg.models.segmentors.class_scores import ClassScores
from scaseg.models.segmentors.row_scores import RowScores

PARTS = {
    'after the network': 'from the logits that it gives to the counts of the metric',
    'test loop': 'from an image in memory to the counts of the metric: normalisation, network and what comes after it',
}


class Sizes(NamedTuple):
    """(H, W) of an image on its way through an evaluation."""

    network: tuple[int, int]
    """of the network's input"""
    image: tuple[int, int]
    """of the image and its label"""


# an ADE20K image of the commonest shape after Resize and ResizeToMultiple; a Cityscapes image
SIZES = {150: Sizes((512, 704), (512, 683)), 19: Sizes((1024, 2048), (1024, 2048))}


class Evaluation:
    """A segmentor with its metric, and one image with labels.

    Args:
        model: in evaluation mode.
        metric: what counts its predictions.
        sizes: of the image.
    """

    def __init__(self, model: EncoderDecoder, metric: BaseMetric, sizes: Sizes) -> None:
        self.model = model
        self.metric = metric
        self.metric.dataset_meta = dict(classes=[str(index) for index in range(model.num_classes)])
        generator = torch.Generator().manual_seed(0)
        device = next(model.parameters()).device
        self.image = torch.randint(256, (3, *sizes.network), dtype=torch.uint8, generator=generator)
        self.label = torch.randint(model.num_classes, (1, *sizes.image), generator=generator).to(device)
        self.metainfo = dict(ori_shape=sizes.image, img_shape=sizes.network)
        stride = 16 if isinstance(model.decode_head, MaskClassificationHead) else 4
        grid = [length // stride for length in sizes.network]
        self.output: Tensor | MaskPrediction = torch.randn(1, model.num_classes, *grid, generator=generator).to(device)
        if isinstance(model.decode_head, MaskClassificationHead):
            classes = torch.randn(1, model.num_classes, model.num_classes + 1, generator=generator).to(device)
            self.output = MaskPrediction(classes, self.output)

    def after_the_network(self) -> Tensor:
        """Labels (1, H, W) of logits at stride 4, or of masks at stride 16, which the metric has counted."""
        sample = self._sample()
        with torch.no_grad():
            if isinstance(self.model, LeanEncoderDecoder):
                self.model.label(sample, self._scores(self.model), self.model.gives_probabilities)
            else:
                scores = self.model.decode_head.predict_by_feat(self.output, [self.metainfo])
                self.model.postprocess_result(scores, [sample])
        return self._count(sample)

    def test_loop(self) -> Tensor:
        """Labels (1, H, W) of the image, which the metric has counted."""
        with torch.no_grad():
            (sample,) = self.model.test_step(dict(inputs=[self.image], data_samples=[self._sample()]))
        return self._count(sample)

    def _scores(self, model: LeanEncoderDecoder) -> ClassScores | RowScores:
        height, width = self.metainfo['img_shape']
        output = self.output
        if isinstance(output, MaskPrediction) and model.test_cfg['resampling'] == 'twice':
            output = model.decode_head.predict_by_feat(output, [self.metainfo])
        return model.assemble([output], [(0, height, 0, width)], 0, (height, width), self.metainfo)

    def _sample(self) -> SegDataSample:
        return SegDataSample(gt_sem_seg=PixelData(data=self.label), metainfo=self.metainfo)

    def _count(self, sample: SegDataSample) -> Tensor:
        self.metric.process({}, [sample.to_dict()])
        return sample.pred_sem_seg.data


def build_evaluations(cfg: Config, device: torch.device) -> dict[str, Evaluation]:
    """mmseg's evaluation and ours of the model of a config, with the same random weights, in mode ``'whole'``.

    Raises:
        UserError: there are no sizes for the config's number of classes.
    """
    num_classes = cfg.model.decode_head.num_classes
    if num_classes not in SIZES:
        raise UserError(
            f'{cfg.filename}: images are known for {" or ".join(map(str, SIZES))} classes, not {num_classes}'
        )
    ways: dict[str, dict] = {
        'mmseg': dict(type='EncoderDecoder', test_cfg=dict(mode='whole')),
        'ours, resampling=twice': dict(test_cfg=dict(mode='whole', resampling='twice')),
        'ours, resampling=once': dict(test_cfg=dict(mode='whole', resampling='once')),
    }
    evaluations: dict[str, Evaluation] = {}
    for name, way in ways.items():
        model = MODELS.build(ConfigDict({**cfg.model, 'pretrained': None, **way})).to(device).eval()
        metric = IoUMetric() if name == 'mmseg' else ConfusionMetric(class_table=False)
        evaluations[name] = Evaluation(model, metric, SIZES[num_classes])
        model.load_state_dict(evaluations['mmseg'].model.state_dict())
    return evaluations


def calls_of(evaluations: dict[str, Evaluation], part: str) -> dict[str, Callable[[], Tensor]]:
    """What is measured, by the name of the way."""
    method = {'after the network': Evaluation.after_the_network, 'test loop': Evaluation.test_loop}[part]
    return {name: method.__get__(evaluation) for name, evaluation in evaluations.items()}
