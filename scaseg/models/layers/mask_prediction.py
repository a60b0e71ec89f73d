"""What mask classification predicts: for each query a class and a mask, and the map that they make together."""

from typing import NamedTuple

import torch
from torch import Tensor

from scaseg.ops.precision import no_autocast


class MaskPrediction(NamedTuple):
    """Classes and masks of all queries Q, as one stage of a decoder sees them.

    Attributes:
        class_logits: (B, Q, num_classes + 1), before softmax; the last class is "no object".
        mask_logits: (B, Q, h, w), before sigmoid: the affinity of every query to every position.
    """

    class_logits: Tensor
    mask_logits: Tensor

    def of(self, images: slice) -> 'MaskPrediction':
        """The prediction for some images of the batch."""
        return MaskPrediction(self.class_logits[images], self.mask_logits[images])

    def fuse(self) -> Tensor:
        """``P_c = Σ_q softmax(class_q)_c · sigmoid(mask_q)`` without "no object", in float32.

        Returns:
            (B, num_classes, h, w): probabilities of classes times probabilities of masks. At least 0; they do not sum
            to 1 over the classes, nor are they logits.
        """
        with no_autocast(self.mask_logits.device.type):  # half precision would make neighbouring classes tie
            classes = self.class_logits.float().softmax(dim=-1)[..., :-1]
            return torch.einsum('bqc,bqhw->bchw', classes, self.mask_logits.float().sigmoid())

    def fuse_in_place(self, rows: int = 32) -> Tensor:
        """The same in the memory of the masks, which are lost: a band of rows at a time, a query for each class.

        The map of all classes at the size of an image is then there once, where ``fuse`` holds it three times.
        """
        with no_autocast(self.mask_logits.device.type):
            classes = self.class_logits.float().softmax(dim=-1)[..., :-1]
            masks = self.mask_logits.float()
            for top in range(0, masks.shape[2], rows):
                band = masks[:, :, top : top + rows]
                band.copy_(torch.einsum('bqc,bqhw->bchw', classes, band.sigmoid()))
            return masks
