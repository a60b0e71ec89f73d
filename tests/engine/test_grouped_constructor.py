"""Rules combine, groups are few, and a key that matches nothing is an error."""

import pytest
from mmengine.optim import OptimWrapper, build_optim_wrapper
from torch import nn

from scaseg.errors import UserError


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.backbone = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4))
        self.decode_head = nn.Sequential(nn.Conv2d(4, 4, 1), nn.LayerNorm(4))


def build(**paramwise: object) -> tuple[Model, OptimWrapper]:
    model = Model()
    optimizer = dict(type='AdamW', lr=0.1, weight_decay=0.01)
    cfg = dict(constructor='GroupedOptimWrapperConstructor', optimizer=optimizer, paramwise_cfg=paramwise)
    return model, build_optim_wrapper(model, cfg)


def settings(model: Model, wrapper: OptimWrapper) -> dict[str, tuple[float, float]]:
    names = {parameter: name for name, parameter in model.named_parameters()}
    return {
        names[p]: (group['lr'], group['weight_decay'])
        for group in wrapper.optimizer.param_groups
        for p in group['params']
    }


def test_a_norm_in_the_head_has_the_rate_of_the_head_and_no_decay() -> None:
    model, wrapper = build(norm_decay_mult=0.0, custom_keys=dict(decode_head=dict(lr_mult=10.0)))
    assert settings(model, wrapper) == {
        'backbone.0.weight': (0.1, 0.01),
        'backbone.0.bias': (0.1, 0.01),
        'backbone.1.weight': (0.1, 0.0),
        'backbone.1.bias': (0.1, 0.0),
        'decode_head.0.weight': (1.0, 0.01),
        'decode_head.0.bias': (1.0, 0.01),
        'decode_head.1.weight': (1.0, 0.0),
        'decode_head.1.bias': (1.0, 0.0),
    }
    assert len(wrapper.optimizer.param_groups) == 4


def test_keys_multiply() -> None:
    keys = {'decode_head': dict(lr_mult=10.0), 'bias': dict(lr_mult=2.0, decay_mult=0.5)}
    model, wrapper = build(custom_keys=keys)
    assert settings(model, wrapper)['decode_head.0.bias'] == (2.0, 0.005)


def test_frozen_parameters_stay_out() -> None:
    model = Model()
    model.backbone.requires_grad_(False)
    cfg = dict(
        constructor='GroupedOptimWrapperConstructor',
        optimizer=dict(type='SGD', lr=0.1),
        paramwise_cfg=dict(custom_keys=dict(decode_head=dict(lr_mult=1.0))),
    )
    groups = build_optim_wrapper(model, cfg).optimizer.param_groups
    assert sum(len(group['params']) for group in groups) == 4


@pytest.mark.parametrize(
    'paramwise, message',
    [
        (dict(custom_keys=dict(decod_head=dict(lr_mult=10.0))), r"custom_keys: \['decod_head'\] match no parameter"),
        (dict(norm_decay=0.0), r"unknown \['norm_decay'\]"),
    ],
)
def test_a_key_without_effect_is_an_error(paramwise: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        build(**paramwise)
