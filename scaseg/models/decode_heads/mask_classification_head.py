"""What the heads have in common that give every class a query, and every query a class and a mask."""

from abc import abstractmethod
from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.models.losses import accuracy
from mmseg.utils import SampleList
from torch import Tensor

from scaseg.errors import UserError

from ..layers import MaskPrediction
from ..losses import ATMLoss
from .multi_level_head import MultiLevelHead


class MaskClassificationHead(MultiLevelHead):
    """A head whose map is a product of probabilities of classes and masks: neither softmax nor cross-entropy fit it.

    In a test the masks are resized to the image before they become probabilities, as in the official code of SegViT;
    ``forward`` and the accuracy shown in training take them at their own size.

    Args:
        in_channels: channels of every level that the head takes, shallow to deep.
        embed_dims: channels of queries and tokens.
        num_classes: number of classes C, and of class queries.
        in_index: levels of the encoder to take, shallow to deep; ``None`` takes them all.
        loss_decode: an ``ATMLoss``; ``None`` is the official one.
        ignore_index: label of the pixels without a class.

    Attributes:
        gives_probabilities: tells the segmentor that the output is no logits.

    Shape:
        inputs: the encoder's maps, (B, in_channels[j], h_j, w_j) at ``in_index[j]``, of any sizes.
        returns: (B, C, h_0, w_0), see ``MaskPrediction.fuse``.

    Raises:
        ValueError: ``loss_decode`` is another loss.
        UserError: in a forward, another number of levels, or maps of other channels.
    """

    gives_probabilities = True

    def __init__(
        self,
        in_channels: Sequence[int],
        embed_dims: int,
        num_classes: int,
        in_index: Sequence[int] | None = None,
        loss_decode: dict | None = None,
        ignore_index: int = 255,
    ) -> None:
        super().__init__(
            in_channels,
            embed_dims,
            in_index,
            num_classes=num_classes,
            out_channels=num_classes,
            dropout_ratio=0,
            loss_decode=loss_decode or dict(type='ATMLoss'),
            ignore_index=ignore_index,
            init_cfg=dict(type='TruncNormal', layer='Linear', std=0.02),
        )
        self.takes_all = in_index is None
        del self.conv_seg  # the classes come from the queries
        if not isinstance(self.loss_decode, ATMLoss):
            kind = type(self.loss_decode).__name__
            raise ValueError(f'decode_head.loss_decode: {type(self).__name__} gives no logits for {kind}, use ATMLoss')

    @abstractmethod
    def predict_masks(self, inputs: Sequence[Tensor]) -> list[MaskPrediction]:
        """Classes and masks of every stage that is supervised, the last one being the result.

        Query q stands for class q, so ``mask_logits[:, q]`` is the affinity of class q to every position. The masks
        have the size of the shallowest level.
        """

    def forward(self, inputs: Sequence[Tensor]) -> Tensor:
        return self.predict_masks(inputs)[-1].fuse()

    def loss_and_map(
        self, inputs: Sequence[Tensor], batch_data_samples: SampleList
    ) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of all stages with the accuracy of the last one's fused map in percent, and this map."""
        predictions = self.predict_masks(inputs)
        labels = self._stack_batch_gt(batch_data_samples).squeeze(1)
        losses = self.loss_decode(predictions, labels, self.ignore_index)
        output = predictions[-1].fuse()
        with torch.no_grad():
            fused = F.interpolate(output, size=labels.shape[-2:], mode='bilinear', align_corners=False)
            losses['acc_seg'] = accuracy(fused, labels, ignore_index=self.ignore_index)
        return losses, output

    def predict(self, inputs: Sequence[Tensor], batch_img_metas: list[dict], test_cfg: dict | None) -> Tensor:
        """The fused map at the image's size, (B, C, H, W)."""
        return self.predict_by_feat(self.predict_masks(inputs)[-1], batch_img_metas)

    def predict_by_feat(self, prediction: MaskPrediction, batch_img_metas: list[dict]) -> Tensor:
        """The same of a prediction."""
        classes, masks = prediction
        return MaskPrediction(classes, super().predict_by_feat(masks, batch_img_metas)).fuse_in_place()

    def _transform_inputs(self, inputs: Sequence[Tensor]) -> list[Tensor]:
        if self.takes_all and len(inputs) != len(self.in_channels):  # a plain ViT's levels all have the same channels
            raise UserError(
                f'decode_head.in_channels has {len(self.in_channels)} entries, but the encoder gives {len(inputs)} '
                'levels; decode_head.in_index says which of them to take'
            )
        return super()._transform_inputs(inputs)
