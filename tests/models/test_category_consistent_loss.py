"""CategoryConsistentLoss against its formulas, one image, class and pixel at a time."""

import math

import pytest
import torch
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.models import CategoryConsistentLoss

CLASSES = 5
TERMS = ('loss_variance', 'loss_distance', 'loss_regularization')


def distance(a: list[float], b: list[float]) -> float:
    return math.sqrt(sum((x - y) ** 2 for x, y in zip(a, b, strict=True)))


def by_loop(features: Tensor, labels: Tensor, delta_v: float, delta_d: float) -> list[float]:
    """l_var, l_dis and l_reg of a batch, features (B, D, h, w) and labels (B, h, w) of one size."""
    totals = [0.0, 0.0, 0.0]
    for image, classes in zip(features.flatten(2), labels.flatten(1).tolist(), strict=True):
        pixels = [list(pixel) for pixel in image.T.tolist()]
        of_class = {c: [h for h, label in zip(pixels, classes, strict=True) if label == c] for c in range(CLASSES)}
        of_class = {c: members for c, members in of_class.items() if members}
        means = {
            c: [sum(values) / len(members) for values in zip(*members, strict=True)] for c, members in of_class.items()
        }
        for c, members in of_class.items():
            for h in members:
                d = distance(h, means[c])
                phi = 0.0
                if d > delta_d:
                    phi = d - delta_d + (delta_d - delta_v) ** 2
                elif d > delta_v:
                    phi = (d - delta_v) ** 2
                totals[0] += phi / len(members) / len(means)
            totals[2] += math.hypot(*means[c]) / len(means)
            for other in means:
                if other != c and distance(means[c], means[other]) <= 2 * delta_d:
                    gap = distance(means[c], means[other])
                    totals[1] += (2 * delta_d - gap) ** 2 / (len(means) * (len(means) - 1))
    return [total / len(features) for total in totals]


def random_batch(spread: float = 1.0) -> tuple[Tensor, Tensor]:
    generator = torch.Generator().manual_seed(0)
    features = spread * torch.randn(3, 4, 6, 7, generator=generator, dtype=torch.float64)
    labels = torch.randint(0, CLASSES - 1, (3, 1, 6, 7), generator=generator)  # the last class is nowhere
    labels[0, 0, :2] = 255
    return features, labels


def terms(loss: CategoryConsistentLoss, features: Tensor, labels: Tensor) -> list[Tensor]:
    found = loss(features, labels, CLASSES, ignore_index=255)
    assert tuple(found) == TERMS
    return list(found.values())


@pytest.mark.parametrize('spread', [0.1, 1.0, 5.0])
def test_equals_the_formulas(spread: float) -> None:
    features, labels = random_batch(spread)
    loss = CategoryConsistentLoss(regularization_weight=1.0)
    found = terms(loss, features, labels)
    expected = by_loop(features, labels, 0.5, 1.5)
    assert [x.item() for x in found] == pytest.approx(expected, rel=1e-5, abs=1e-6)  # float32 and the eps of the root


@pytest.mark.parametrize('d, phi', [(0.4, 0.0), (1.0, 0.25), (2.5, 2.0)])
def test_pull_on_two_features_at_a_distance_from_their_mean(d: float, phi: float) -> None:
    features, labels = torch.tensor([[[[7 - d, 7 + d]]]]), torch.zeros(1, 1, 1, 2, dtype=torch.long)
    assert terms(CategoryConsistentLoss(), features, labels)[0].item() == pytest.approx(phi)


@pytest.mark.parametrize('d, phi', [(0.5, 6.25), (2.0, 1.0), (3.5, 0.0)])
def test_push_between_two_means_at_a_distance(d: float, phi: float) -> None:
    features, labels = torch.tensor([[[[7, 7 + d]]]]), torch.tensor([[[[1, 3]]]])
    assert terms(CategoryConsistentLoss(), features, labels)[1].item() == pytest.approx(phi)


def test_weights_and_margins() -> None:
    features, labels = random_batch()
    arguments = dict(delta_v=0.2, delta_d=0.7, variance_weight=2.0, distance_weight=3.0, regularization_weight=0.5)
    loss = MODELS.build(dict(type='CategoryConsistentLoss', **arguments))
    found = [x.item() for x in terms(loss, features, labels)]
    expected = [w * term for w, term in zip((2.0, 3.0, 0.5), by_loop(features, labels, 0.2, 0.7), strict=True)]
    assert found == pytest.approx(expected, rel=1e-5, abs=1e-6)


def test_ignored_pixels_have_no_influence() -> None:
    features, labels = random_batch()
    before = terms(CategoryConsistentLoss(), features, labels)
    features[0, :, :2] = 1e3
    torch.testing.assert_close(terms(CategoryConsistentLoss(), features, labels), before)


def test_an_ignored_class_index_is_left_out() -> None:
    features, labels = random_batch()
    as_ignored = torch.where(labels == 0, 255, labels)
    found = CategoryConsistentLoss()(features, torch.where(labels == 255, 0, labels), CLASSES, ignore_index=0)
    torch.testing.assert_close(list(found.values()), terms(CategoryConsistentLoss(), features, as_ignored))


def test_labels_are_shrunk_to_their_nearest_pixel() -> None:
    """The middle one of 3 × 3 label pixels decides."""
    features, labels = random_batch()
    large = torch.randint(0, CLASSES, (3, 1, 18, 21))
    large[..., 1::3, 1::3] = labels
    loss = CategoryConsistentLoss()
    torch.testing.assert_close(terms(loss, features, large), terms(loss, features, labels))


@pytest.mark.parametrize('label, classes', [(2, 1), (255, 0)])
def test_fewer_than_two_classes(label: int, classes: int) -> None:
    features = torch.randn(2, 4, 6, 7, requires_grad=True)
    variance, gap, regularization = terms(CategoryConsistentLoss(), features, torch.full((2, 1, 6, 7), label))
    (variance + gap + regularization).backward()
    assert gap.item() == 0.0
    assert (variance.item() > 0) is (regularization.item() > 0) is (classes == 1)
    assert features.grad.isfinite().all()


def test_gradients_are_finite_where_all_features_are_equal() -> None:
    features = torch.zeros(1, 4, 6, 7, requires_grad=True)
    _, labels = random_batch()
    sum(terms(CategoryConsistentLoss(), features, labels[:1])).backward()
    assert features.grad.isfinite().all()


def test_gradients_are_those_of_finite_differences() -> None:
    """In float32, against central differences of the loop."""
    features, labels = random_batch()
    leaf = features.clone().requires_grad_()
    sum(terms(CategoryConsistentLoss(regularization_weight=1.0), leaf, labels)).backward()
    step = 1e-5
    for place in [(0, 1, 3, 2), (1, 0, 0, 0), (2, 3, 5, 6), (0, 0, 0, 0)]:
        moved = []
        for sign in (1, -1):
            changed = features.clone()
            changed[place] += sign * step
            moved.append(sum(by_loop(changed, labels, 0.5, 1.5)))
        assert leaf.grad[place].item() == pytest.approx((moved[0] - moved[1]) / (2 * step), rel=1e-3, abs=1e-6)


def test_autocast_changes_nothing() -> None:
    features, labels = random_batch()
    features = 300 * features.float()  # squares leave the range of float16
    plain = terms(CategoryConsistentLoss(), features, labels)
    with torch.autocast('cpu', dtype=torch.float16):
        torch.testing.assert_close(terms(CategoryConsistentLoss(), features, labels), plain, rtol=0, atol=0)
    half = terms(CategoryConsistentLoss(), features.half(), labels)
    assert all(x.dtype == torch.float32 and x.isfinite() for x in half)


@pytest.mark.parametrize('delta_v, delta_d', [(1.5, 0.5), (-0.1, 1.0), (1.0, 1.0)])
def test_margins_in_the_wrong_order_are_refused(delta_v: float, delta_d: float) -> None:
    with pytest.raises(ValueError, match=f'delta_v={delta_v}, delta_d={delta_d}'):
        CategoryConsistentLoss(delta_v, delta_d)
