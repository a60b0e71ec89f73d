"""The category-consistent loss of CCNet's journal version (TPAMI 2020, arXiv 1811.11721v2).

Features h_i of one class c gather around their mean μ_c, means keep apart, and near to the origin. For one image, with
C the classes present in it, N_c pixels of class c and d the distance in question:

    l_var = 1/|C| Σ_c 1/N_c Σ_i φ_var(h_i, μ_c)     φ_var = 0 for d ≤ δ_v, (d − δ_v)² for δ_v < d ≤ δ_d,
                                                            d − δ_d + (δ_d − δ_v)² for d > δ_d
    l_dis = 1/(|C|(|C| − 1)) Σ_{a≠b} φ_dis(μ_a, μ_b)   φ_dis = (2δ_d − d)² for d ≤ 2δ_d, 0 for d > 2δ_d
    l_reg = 1/|C| Σ_c ‖μ_c‖

No released code holds it. What the formulas leave open is decided here: each image has means of its own, and terms are
averaged over the images of the batch; ignored pixels belong to no class; labels are brought to the features' size by
their nearest pixel; means take gradients; l_dis is 0 where fewer than two classes are present, and every term where
none is; d = √(Σ² + 1e-12), whose gradient is finite at 0; all is computed in float32.
"""

import torch
import torch.nn.functional as F
from mmseg.registry import MODELS
from torch import Tensor, nn

from scaseg.ops.precision import no_autocast

EPSILON = 1e-12  # under the root


@MODELS.register_module()
class CategoryConsistentLoss(nn.Module):
    """Variance, distance and regularisation terms on a map of features.

    Args:
        delta_v: δ_v, radius around a mean within which features are left alone.
        delta_d: δ_d, half the distance that means keep, and where the pull on a feature turns from square to linear.
        variance_weight: α, factor on l_var.
        distance_weight: β, factor on l_dis.
        regularization_weight: γ, factor on l_reg.

    Raises:
        ValueError: not 0 ≤ δ_v < δ_d.
    """

    def __init__(
        self,
        delta_v: float = 0.5,
        delta_d: float = 1.5,
        variance_weight: float = 1.0,
        distance_weight: float = 1.0,
        regularization_weight: float = 0.001,
    ) -> None:
        super().__init__()
        if not 0 <= delta_v < delta_d:
            raise ValueError(f'delta_v={delta_v}, delta_d={delta_d}: expected 0 <= delta_v < delta_d')
        self.delta_v = delta_v
        self.delta_d = delta_d
        self.variance_weight = variance_weight
        self.distance_weight = distance_weight
        self.regularization_weight = regularization_weight

    def forward(
        self, features: Tensor, labels: Tensor, num_classes: int, ignore_index: int = 255
    ) -> dict[str, Tensor]:
        """The three terms times their weights, each a number.

        Args:
            features: (B, D, h, w).
            labels: (B, 1, H, W), class ids below ``num_classes``, and ``ignore_index``.
            num_classes: number of classes K.
            ignore_index: label of the pixels that are left out.

        Returns:
            ``loss_variance``, ``loss_distance`` and ``loss_regularization``.
        """
        labels = F.interpolate(labels.float(), size=features.shape[-2:], mode='nearest-exact').flatten(1)
        labels = labels.masked_fill(labels == ignore_index, -1).unsqueeze(-1)
        member = (labels == torch.arange(num_classes, device=labels.device)).float()  # (B, N, K)
        with no_autocast(features.device.type):
            variance, distance, regularization = self._terms(features.float().flatten(2).mT, member)
        return dict(
            loss_variance=self.variance_weight * variance,
            loss_distance=self.distance_weight * distance,
            loss_regularization=self.regularization_weight * regularization,
        )

    def _terms(self, x: Tensor, member: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """l_var, l_dis and l_reg of features (B, N, D); ``member`` (B, N, K) is 1 at the class of each, else 0."""
        pixels = member.sum(dim=1)  # (B, K)
        present = (pixels > 0).float()
        classes = present.sum(dim=1).clamp(min=1)  # (B,)
        share = member / pixels.clamp(min=1).unsqueeze(1)  # of a pixel in the mean of its class
        means = share.mT @ x  # (B, K, D)

        spread = _norm(x - member @ means)  # (B, N)
        tail = spread - self.delta_d + (self.delta_d - self.delta_v) ** 2
        pull = torch.where(spread > self.delta_d, tail, F.relu(spread - self.delta_v).square())
        variance = (pull * share.sum(dim=2)).sum(dim=1) / classes

        gap = _norm(means.unsqueeze(1) - means.unsqueeze(2))  # (B, K, K)
        pairs = (present.unsqueeze(1) * present.unsqueeze(2)).triu(diagonal=1)  # each once
        push = pairs * F.relu(2 * self.delta_d - gap).square()
        distance = push.sum(dim=(1, 2)) / pairs.sum(dim=(1, 2)).clamp(min=1)

        regularization = (present * _norm(means)).sum(dim=1) / classes
        return variance.mean(), distance.mean(), regularization.mean()


def _norm(x: Tensor) -> Tensor:
    """Euclidean norm over the last dimension."""
    return (x.square().sum(dim=-1) + EPSILON).sqrt()
