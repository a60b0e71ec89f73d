"""What every head of scaseg promises, whatever its method. A new head needs a line in HEADS and nothing else here."""

import copy
import io

import onnxruntime
import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from scaseg.errors import UserError

CHANNELS, STRIDES, CLASSES = [8, 16, 40, 64], [4, 8, 16, 32], 7
IMAGE = (97, 131)  # odd, not divisible by any stride, H != W
SCASEG = dict(type='SCASegHead', in_channels=CHANNELS, channels=24, num_classes=CLASSES, norm_cfg=dict(type='BN'))
HEADS = {
    'ATMHead': dict(in_channels=CHANNELS, embed_dims=24, num_heads=4, num_classes=CLASSES),
    'HamburgerHead': dict(
        in_channels=CHANNELS,
        channels=24,
        num_classes=CLASSES,
        hamburger=dict(rank=6),
        norm_cfg=dict(type='GN', num_groups=4),
    ),
    'LightFusionHead': dict(in_channels=CHANNELS, embed_dims=[16, 20, 24], num_classes=CLASSES),
    'RCCAHead': dict(
        in_channels=CHANNELS,
        in_index=[0, 1, 2, 3],
        input_transform='resize_concat',
        channels=24,
        num_classes=CLASSES,
        norm_cfg=dict(type='BN'),
        loss_category=dict(type='CategoryConsistentLoss'),
    ),
    'SCASegHead': SCASEG,
    'SEAHead': dict(in_channels=CHANNELS, channels=24, num_classes=CLASSES, num_heads=[1, 2, 5, 8]),
    'ShrunkATMHead': dict(
        in_channels=CHANNELS, embed_dims=24, num_heads=4, num_classes=CLASSES, grid_size=(8, 10), num_layers=1
    ),
    'SegFormerMLPHead': dict(in_channels=CHANNELS, channels=24, num_classes=CLASSES, norm_cfg=dict(type='BN')),
}


def registered_heads() -> set[str]:
    return {
        name
        for name, kind in MODELS.module_dict.items()
        if kind.__module__.startswith('scaseg.') and issubclass(kind, BaseDecodeHead)
    }


def build(name: str) -> BaseDecodeHead:
    head = MODELS.build(dict(type=name) | copy.deepcopy(HEADS[name]))
    head.init_weights()
    return head


def features(batch: int = 2, image: tuple[int, int] = IMAGE, scale: float = 1.0) -> list[Tensor]:
    """Maps of an encoder that rounds up."""
    return [
        scale * torch.randn(batch, c, -(-image[0] // stride), -(-image[1] // stride))
        for c, stride in zip(CHANNELS, STRIDES, strict=True)
    ]


def samples(batch: int = 2, image: tuple[int, int] = IMAGE) -> list[SegDataSample]:
    labels = torch.randint(0, CLASSES, (batch, 1, *image))
    labels[..., :3] = 255
    return [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels]


def test_every_registered_head_is_here() -> None:
    assert registered_heads() == {settings.get('type', name) for name, settings in HEADS.items()}


@pytest.mark.parametrize('name', HEADS)
def test_every_parameter_has_a_gradient(name: str) -> None:
    head = build(name)
    losses = head.loss(features(), samples(), {})
    sum(value for key, value in losses.items() if key.startswith('loss')).backward()
    assert [key for key, p in head.named_parameters() if p.grad is None or not p.grad.isfinite().all()] == []


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize('image', [(97, 131), (32, 32), (64, 33)], ids=str)
def test_any_image_size_and_a_single_image(name: str, image: tuple[int, int]) -> None:
    inputs = features(1, image)
    head = build(name).eval()
    out = head(inputs)
    assert out.shape == (1, CLASSES, *inputs[0].shape[-2:])
    assert out.isfinite().all()


@pytest.mark.parametrize('name', HEADS)
def test_evaluation_is_deterministic_and_per_image(name: str) -> None:
    head, inputs = build(name).eval(), features()
    with torch.no_grad():
        first, again = head(inputs), head(inputs)
        alone = head([x[:1] for x in inputs])
    assert torch.equal(first, again)
    torch.testing.assert_close(alone, first[:1], rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', HEADS)
def test_levels_that_do_not_fit_are_named(name: str) -> None:
    head, inputs = build(name), features()
    with pytest.raises(UserError, match=r'decode_head\.in_index=\[0, 1, 2, 3\].* 3 levels|has 4 entries.* 3 levels'):
        head(inputs[:3])
    with pytest.raises(UserError, match=r'decode_head\.in_channels=\[8, 16, 40, 64\].*\[8, 16, 40, 8\]'):
        head([*inputs[:3], inputs[0]])
    with pytest.raises(ValueError, match=r'in_index=\[0, 1, 2\]: give one of each for every level'):
        MODELS.build(dict(type=name) | copy.deepcopy(HEADS[name]) | dict(in_index=[0, 1, 2]))


@pytest.mark.parametrize('name', HEADS)
def test_state_dict_round_trip(name: str) -> None:
    head, inputs = build(name), features()
    head(inputs)  # moves the statistics of the norms
    copied = build(name)
    copied.load_state_dict(head.state_dict())
    with torch.no_grad():
        assert torch.equal(copied.eval()(inputs), head.eval()(inputs))


@pytest.mark.parametrize('name', HEADS)
@pytest.mark.parametrize('dtype', [torch.float16, torch.bfloat16], ids=str)
def test_autocast_stays_finite_with_large_activations(name: str, dtype: torch.dtype) -> None:
    head, inputs = build(name), [x.requires_grad_() for x in features(scale=100.0)]
    with torch.autocast('cpu', dtype=dtype):
        out = head(inputs)
    out.float().square().mean().backward()
    assert out.isfinite().all()
    assert all(x.grad.isfinite().all() for x in inputs)


@pytest.mark.parametrize('name', HEADS)
def test_channels_last_changes_nothing(name: str) -> None:
    head, inputs = build(name).eval(), features()
    with torch.no_grad():
        expected = head(inputs)
        out = head.to(memory_format=torch.channels_last)([x.to(memory_format=torch.channels_last) for x in inputs])
    torch.testing.assert_close(out, expected, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize('name', HEADS)
def test_exports_to_onnx_and_gives_the_same_there(name: str) -> None:
    class Exported(torch.nn.Module):
        def __init__(self, head: BaseDecodeHead) -> None:
            super().__init__()
            self.head = head

        def forward(self, f1: Tensor, f2: Tensor, f3: Tensor, f4: Tensor) -> Tensor:
            return self.head([f1, f2, f3, f4])

    head, inputs = build(name).eval(), features(1)
    with torch.no_grad():
        expected = head(inputs)
        program = torch.onnx.export(Exported(head).eval(), tuple(inputs), dynamo=True, verbose=False).model_proto
    session = onnxruntime.InferenceSession(program.SerializeToString())
    feed = {node.name: x.numpy() for node, x in zip(session.get_inputs(), inputs, strict=True)}
    torch.testing.assert_close(torch.from_numpy(session.run(None, feed)[0]), expected, rtol=1e-4, atol=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize('name', ['SCASegHead', 'RCCAHead', 'HamburgerHead'])
def test_an_exported_program_takes_any_batch_and_size(name: str) -> None:
    """Batch, height and width are symbols: a graph made from two images computes three of another shape."""

    class FromImage(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = build(name)

        def forward(self, image: Tensor) -> Tensor:
            return self.head(
                [
                    F.avg_pool2d(image, stride, ceil_mode=True).repeat(1, c // 4, 1, 1)
                    for c, stride in zip(CHANNELS, STRIDES, strict=True)
                ]
            )

    model, any_size = FromImage().eval(), torch.export.Dim.DYNAMIC
    with torch.no_grad():
        shapes = ({0: any_size, 2: any_size, 3: any_size},)
        program = torch.export.export(model, (torch.randn(2, 4, 100, 140),), dynamic_shapes=shapes)
        torch.export.save(program, io.BytesIO())
        for shape in ((2, 4, 100, 140), (3, 4, 162, 70)):
            image = torch.randn(shape)
            torch.testing.assert_close(program.module()(image), model(image))
