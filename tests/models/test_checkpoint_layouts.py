"""Checkpoints of before the blocks were plugins still load: same names, shapes and order of every head's tensors.

``head_layouts.json`` was written from the heads of commit d74b556; the order is that of the optimiser's state.
"""

import json
from pathlib import Path

import pytest
import torch
from mmseg.registry import MODELS

LAYOUTS = json.loads((Path(__file__).parent / 'head_layouts.json').read_text())
CHANNELS, CLASSES = [8, 16], 7
BN = dict(type='BN')
LEVELS = dict(in_channels=CHANNELS, channels=24, num_classes=CLASSES)
SCASEG = dict(type='SCASegHead', **LEVELS, num_heads=[1, 2], strides=[4, 8], norm_cfg=BN)
ATM = dict(in_channels=CHANNELS, embed_dims=24, num_heads=4, num_classes=CLASSES)
HEADS = {
    'scaseg': SCASEG,
    'scaseg-vanilla': SCASEG | dict(block=dict(attention=dict(type='VanillaCrossAttention'))),
    'scaseg-serial': SCASEG
    | dict(block=dict(local=dict(kernel_size=5), local_position='serial', ffn=dict(ratio=2.0))),
    'scaseg-no-local': SCASEG | dict(block=dict(local=None)),
    'scaseg-encoder': SCASEG | dict(context=dict(source='encoder'), kv_stride=4),
    'scaseg-self': SCASEG | dict(context=dict(source='self')),
    'atm': dict(type='ATMHead', **ATM),
    'shrunk-atm': dict(type='ShrunkATMHead', **ATM, grid_size=(8, 10), num_layers=1),
    'hamburger': dict(type='HamburgerHead', **LEVELS, hamburger=dict(rank=6), norm_cfg=dict(type='GN', num_groups=4)),
    'light-fusion': dict(type='LightFusionHead', in_channels=CHANNELS, embed_dims=[16], num_classes=CLASSES),
    'rcca': dict(
        type='RCCAHead',
        **LEVELS,
        in_index=[0, 1],
        input_transform='resize_concat',
        norm_cfg=BN,
        loss_category=dict(type='CategoryConsistentLoss'),
    ),
    'sea': dict(type='SEAHead', **LEVELS, num_heads=[1, 2]),
    'segformer-mlp': dict(type='SegFormerMLPHead', **LEVELS, norm_cfg=BN),
}


def test_every_layout_is_tried() -> None:
    assert list(HEADS) == list(LAYOUTS)


@pytest.mark.parametrize('name', HEADS)
def test_the_tensors_are_those_of_earlier_checkpoints(name: str) -> None:
    head = MODELS.build(dict(HEADS[name]))
    assert [(key, list(x.shape)) for key, x in head.state_dict().items()] == list(map(tuple, LAYOUTS[name].items()))
    assert list(head.load_state_dict({key: torch.zeros(shape) for key, shape in LAYOUTS[name].items()})) == [[], []]
