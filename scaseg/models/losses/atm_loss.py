"""The loss of SegViT (arXiv 2210.05844, eq. 5; its code names the weights): MaskFormer's without the matching.

Query q stands for class q. Departures from the official code: each term is returned as its sum over the stages, and
masks are resized once, those of absent classes never.
"""

from collections.abc import Sequence

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn
from torchvision.ops import sigmoid_focal_loss

from ..layers import MaskPrediction
from .over_processes import process_mean


@MODELS.register_module()
class ATMLoss(nn.Module):
    """Cross-entropy of the queries' classes, focal and dice loss of the masks of the classes present, on all stages.

    Cross-entropy runs over all queries of all processes: the target of query q is class q where the image holds it,
    else "no object".
    Focal (α = 0.25, γ = 2, mean over pixels) and dice loss run over the masks of the classes that an image holds, at
    the label's size; their sum is divided by the number of such masks, averaged over the ranks and at least 1.

    Args:
        cls_weight: of the cross-entropy.
        mask_weight: of the focal loss.
        dice_weight: of the dice loss.
        no_object_weight: of "no object" among the classes of the cross-entropy, which is a weighted mean.
        ignore_as_negative: what ignored pixels are to the masks. ``True``, as in the official code: outside of every
            mask, like the pixels of other classes. ``False``: left out.

    Shape:
        predictions: of every stage, with queries Q = number of classes.
        labels: (B, H, W), class ids or ``ignore_index``.
        returns: ``loss_ce``, ``loss_mask`` (focal) and ``loss_dice``, weighted sums over the stages in float32; their
            sum is the loss.
    """

    def __init__(
        self,
        cls_weight: float = 1.0,
        mask_weight: float = 20.0,
        dice_weight: float = 1.0,
        no_object_weight: float = 0.1,
        ignore_as_negative: bool = True,
    ) -> None:
        super().__init__()
        self.cls_weight = cls_weight
        self.mask_weight = mask_weight
        self.dice_weight = dice_weight
        self.no_object_weight = no_object_weight
        self.ignore_as_negative = ignore_as_negative

    def forward(
        self, predictions: Sequence[MaskPrediction], labels: Tensor, ignore_index: int = 255
    ) -> dict[str, Tensor]:
        present = classes_present(labels, predictions[0].mask_logits.shape[1], ignore_index)
        image, cls = present.nonzero(as_tuple=True)
        targets = (labels[image] == cls[:, None, None]).float()  # (M, H, W), one for each class of each image
        counted = ((labels != ignore_index) | self.ignore_as_negative)[image]
        no_objects = (~present).sum() * self.no_object_weight
        num_masks, class_weights = process_mean(torch.stack([present.sum(), present.sum() + no_objects]))
        num_masks = num_masks.clamp(min=1)

        losses = torch.zeros(3, device=labels.device)
        for class_logits, mask_logits in predictions:
            masks = mask_logits[image, cls, None].float()
            masks = F.interpolate(masks, size=labels.shape[-2:], mode='bilinear', align_corners=False).squeeze(1)
            focal = focal_loss(masks, targets, counted).sum() / num_masks
            dice = dice_loss(masks, targets, counted).sum() / num_masks
            losses = losses + torch.stack(
                [self._class_loss(class_logits.float(), present) / class_weights, focal, dice]
            )
        return dict(
            loss_ce=self.cls_weight * losses[0],
            loss_mask=self.mask_weight * losses[1],
            loss_dice=self.dice_weight * losses[2],
        )

    def _class_loss(self, class_logits: Tensor, present: Tensor) -> Tensor:
        no_object = present.shape[1]
        classes = torch.arange(no_object, device=present.device)
        weight = class_logits.new_ones(no_object + 1)
        weight[no_object] = self.no_object_weight
        targets = classes.where(present, no_object)
        return F.cross_entropy(class_logits.transpose(1, 2), targets, weight, reduction='sum')


def classes_present(labels: Tensor, num_classes: int, ignore_index: int) -> Tensor:
    """Which classes occur in which image: labels (B, H, W) -> (B, num_classes) bool."""
    ids = labels.masked_fill(labels == ignore_index, -1).flatten(1) + 1  # an id that is no class has no column
    present = torch.zeros(len(labels), num_classes + 1, dtype=torch.bool, device=labels.device)
    return present.scatter_(1, ids, True)[:, 1:]


def focal_loss(logits: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """Mean focal loss over the pixels that count, of each mask: three times (M, H, W) -> (M,)."""
    loss = sigmoid_focal_loss(logits, targets, alpha=0.25, gamma=2.0)
    return (loss * counted).sum(dim=(1, 2)) / counted.sum(dim=(1, 2))


def dice_loss(logits: Tensor, targets: Tensor, counted: Tensor) -> Tensor:
    """``1 - (2 Σ pt + 1) / (Σ p + Σ t + 1)`` over the pixels that count, of each mask; shapes as in ``focal_loss``."""
    probabilities = logits.sigmoid() * counted
    overlap = (probabilities * targets).sum(dim=(1, 2))
    return 1 - (2 * overlap + 1) / (probabilities.sum(dim=(1, 2)) + targets.sum(dim=(1, 2)) + 1)
