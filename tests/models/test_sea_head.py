"""SEAHead: what it is made of, and its errors."""

import pytest
import torch
import torch.nn.functional as F
from mmseg.registry import MODELS

from scaseg.errors import UserError
from scaseg.models import SEAHead


def build(**changes: object) -> SEAHead:
    return MODELS.build(
        dict(type='SEAHead', in_channels=[8, 16], num_heads=[1, 2], channels=12, num_classes=5) | changes
    )


def test_it_is_a_block_on_every_level_and_the_fusion_of_scaseg() -> None:
    """D_i = SEABlock(F_i), then upsample–concatenate–1×1, norm, ReLU and classifier."""
    head = build().eval()
    inputs = [torch.randn(2, 8, 9, 13), torch.randn(2, 16, 5, 7)]
    decoded = [block(x) for block, x in zip(head.blocks, inputs, strict=True)]
    decoded[1] = F.interpolate(decoded[1], size=(9, 13), mode='bilinear')
    weight = torch.cat([projection.weight for projection in head.fusion.projections], dim=1)
    fused = F.relu(head.fusion_norm(F.conv2d(torch.cat(decoded, dim=1), weight)))
    torch.testing.assert_close(head(inputs), head.conv_seg(fused), rtol=1e-4, atol=1e-5)


def test_queries_and_keys_have_half_the_channels() -> None:
    attention = build().blocks[1].attention
    widths = [projection.conv.out_channels for projection in (attention.query, attention.key, attention.value)]
    assert widths == [8, 8, 16]


@pytest.mark.parametrize(
    'changes, message',
    [
        (dict(num_heads=[1, 2, 4]), 'give one for each of the 2 levels'),
        (dict(num_heads=[1, 3]), r'num_heads\[1\]=3 does not divide half of in_channels\[1\]=16'),
        (dict(in_channels=[7, 16]), r'num_heads\[0\]=1 does not divide half of in_channels\[0\]=7'),
    ],
)
def test_errors_name_the_argument(changes: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build(**changes)


def test_maps_of_another_encoder_are_refused() -> None:
    with pytest.raises(UserError, match=r'in_channels=\[8, 16\], but the encoder gives maps of \[8, 24\] channels'):
        build()([torch.randn(1, 8, 8, 8), torch.randn(1, 24, 4, 4)])
