"""Test-time augmentation for heads of both kinds, at a bounded size."""

from mmengine.model import BaseTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from .class_scores import ClassScores, Size, Window
from .lean_encoder_decoder import LeanEncoderDecoder
from .row_scores import MeanScores, RowScores


@MODELS.register_module()
class LeanTTAModel(BaseTTAModel):
    """The mean over views of softmax(logits), or of what the head gives as probabilities.

    mmseg's ``SegTTAModel`` keeps the logits of every view at the size of the image file until the last one is there.
    Here one sum grows view by view, at the size of the finest view's scores: the scales of the views are ratios of the
    data set's base scale, so the sum has the same size for a photo of 20 megapixels. With
    ``test_cfg.resampling='twice'`` it has the image's size, and the labels are mmseg's. Masks, which are small, are
    kept for all views instead, and averaged a band of rows at a time at the size of the finest one.

    Args:
        module: the segmentor, or its config.
    """

    module: LeanEncoderDecoder

    def test_step(self, data: dict) -> list[SegDataSample]:
        """Label the images of a batch.

        Args:
            data: ``inputs`` and ``data_samples``, lists of views of the same images; a view is a batch.

        Returns:
            The samples of the first view, whose labels of the truth are the ones that count.
        """
        views = [dict(zip(data, view, strict=True)) for view in zip(*data.values(), strict=True)]
        samples: list[SegDataSample] = views[0]['data_samples']
        at_image_size = self.module.test_cfg.get('resampling') == 'twice'
        if not at_image_size:  # the finest view comes first, and decides about the size
            views.sort(key=lambda view: view['inputs'][0].shape[-2:].numel(), reverse=True)
        merged: list[Tensor | MeanScores | None] = [None] * len(samples)
        sizes: list[Size] = []
        for view in views:
            batch = self.module.data_preprocessor(view, False)
            for index, scores in enumerate(self.module.score(batch['inputs'], batch['data_samples'])):
                if view is views[0]:
                    height, width = samples[index].ori_shape[:2] if at_image_size else scores.grid
                    sizes.append((height, width))
                merged[index] = self._add(merged[index], scores, sizes[index])
        for sample, total in zip(samples, merged, strict=True):
            self.module.label(sample, self._mean(total, len(views)), are_probabilities=True)
        return samples

    def _add(
        self, merged: Tensor | MeanScores | None, scores: ClassScores | RowScores, size: Size
    ) -> Tensor | MeanScores:
        """One more view: its probabilities in the sum of the others', or its masks, which are small, beside theirs."""
        if isinstance(scores, RowScores):
            others = merged.maps if isinstance(merged, MeanScores) else ()
            return MeanScores([*others, scores.at(size)])
        probabilities = scores.resized(size)
        if not self.module.gives_probabilities:
            probabilities = probabilities.softmax(dim=1) if scores.num_classes > 1 else probabilities.sigmoid()
        return merged.add_(probabilities) if isinstance(merged, Tensor) else probabilities

    def _mean(self, merged: Tensor | MeanScores | None, views: int) -> ClassScores | RowScores:
        if isinstance(merged, MeanScores):
            return merged
        assert merged is not None  # there is a view
        height, width = merged.shape[-2:]
        mean = Window(merged.div_(views), 0, height, 0, width)
        return ClassScores([mean], (height, width), align_corners=self.module.align_corners)

    def merge_preds(self, data_samples_list: list[list[SegDataSample]]) -> list[SegDataSample]:
        """Not used: predictions hold labels, and it is probabilities that are averaged, in ``test_step``."""
        raise NotImplementedError
