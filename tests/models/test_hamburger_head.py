"""HamburgerHead: the official computation, the same result at every evaluation, the published cost."""

import copy
from pathlib import Path

import onnxruntime
import pytest
import torch
from mmengine.config import Config
from mmseg.models.decode_heads import LightHamHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.benchmarking import count_complexity
from scaseg.errors import UserError
from scaseg.models import HamburgerHead

CONFIGS = Path(__file__).parents[2] / 'configs' / 'segnext'
CHANNELS = [8, 16, 24]
SMALL = dict(in_channels=CHANNELS, channels=32, num_classes=7, norm_cfg=dict(type='GN', num_groups=8))


def build(**changes: object) -> HamburgerHead:
    return MODELS.build(dict(type='HamburgerHead', hamburger=dict(rank=4)) | SMALL | changes)


def official(head: HamburgerHead, rand_init: bool = True) -> LightHamHead:
    """mmseg's head with the weights of ours, and with its bases where it has any."""
    settings = dict(ham_channels=32, ham_kwargs=dict(MD_R=4, rand_init=rand_init), in_index=[0, 1, 2])
    theirs = MODELS.build(dict(type='LightHamHead') | SMALL | settings)
    state = head.state_dict()
    bases = state.pop('hamburger.bases')
    theirs.load_state_dict(state)
    if not rand_init:
        theirs.hamburger.ham.register_buffer('bases', bases)
    return theirs


def features(batch: int = 2) -> list[Tensor]:
    return [torch.randn(batch, c, *size) for c, size in zip(CHANNELS, [(13, 17), (7, 9), (4, 5)], strict=True)]


def test_training_is_the_official_computation() -> None:
    """Outputs and gradients; bases and dropout are drawn in the same order, so one seed serves both."""
    head, inputs = build(), features()
    found = []
    for model in (head, official(head)):
        torch.manual_seed(1)
        out = model.train()(inputs)
        gradients = torch.autograd.grad(out.square().mean(), list(model.parameters()))
        found.append({'out': out} | dict(zip((name for name, _ in model.named_parameters()), gradients, strict=True)))
    ours, theirs = found
    assert ours.keys() == theirs.keys()
    for name in ours:
        torch.testing.assert_close(ours[name], theirs[name], rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_evaluation_with_random_bases_is_the_official_one() -> None:
    head, inputs = build(hamburger=dict(rank=4, rand_eval=True)).eval(), features()
    theirs = official(head).eval()
    torch.manual_seed(1)
    expected = theirs(inputs)
    torch.manual_seed(1)
    torch.testing.assert_close(head(inputs), expected, rtol=1e-4, atol=1e-6)


@torch.no_grad()
def test_evaluation_is_the_official_one_with_our_bases() -> None:
    head, inputs = build().eval(), features()
    theirs = official(head, rand_init=False).eval()
    torch.testing.assert_close(head(inputs), theirs(inputs), rtol=1e-4, atol=1e-6)


def small_segmentor(rand_eval: bool = False) -> EncoderDecoder:
    cfg = Config.fromfile(next(CONFIGS.glob('*toyscenes*')))
    cfg.model.decode_head.hamburger.rand_eval = rand_eval
    return MODELS.build(cfg.model)


def label_map(state: dict[str, Tensor], image: Tensor, seed: int, rand_eval: bool = False) -> Tensor:
    """An evaluation from the start: build, load, predict."""
    torch.manual_seed(seed)
    model = small_segmentor(rand_eval).eval()
    model.load_state_dict(state)
    return model.predict(image)[0].pred_sem_seg.data


@torch.no_grad()
def test_two_evaluations_of_one_checkpoint_give_the_same_labels() -> None:
    model = small_segmentor()
    model.init_weights()
    torch.nn.init.normal_(model.decode_head.conv_seg.weight)
    state, image = copy.deepcopy(model.state_dict()), torch.randn(1, 3, 97, 128)
    first, second = (label_map(state, image, seed) for seed in (1, 2))
    assert len(first.unique()) > 2
    assert torch.equal(first, second)
    official_first, official_second = (label_map(state, image, seed, rand_eval=True) for seed in (1, 2))
    assert not torch.equal(official_first, official_second)


@torch.no_grad()
def test_training_draws_random_bases_and_evaluation_none() -> None:
    head, inputs = build(dropout_ratio=0.0), features()
    assert not torch.equal(head.train()(inputs), head(inputs))
    before = torch.get_rng_state()
    head.eval()(inputs)
    assert torch.equal(torch.get_rng_state(), before)


@torch.no_grad()
def test_the_bases_travel_with_the_checkpoint() -> None:
    """A checkpoint keeps its bases even if those that a constructor draws should change one day."""
    source, inputs = build().eval(), features()
    source.hamburger.bases.copy_(torch.rand_like(source.hamburger.bases))
    loaded = build().eval()
    before = loaded(inputs)
    loaded.load_state_dict(source.state_dict())
    assert not torch.equal(loaded(inputs), before)
    assert torch.equal(loaded(inputs), source(inputs))


@torch.no_grad()
def test_torchscript_can_export_it_too(tmp_path: Path) -> None:
    """The exporter that older versions of torch take by default."""

    class Exported(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = build().eval()

        def forward(self, f1: Tensor, f2: Tensor, f3: Tensor) -> Tensor:
            return self.head([f1, f2, f3])

    model, inputs = Exported().eval(), features()
    torch.onnx.export(model, tuple(inputs), tmp_path / 'head.onnx', dynamo=False)
    session = onnxruntime.InferenceSession(tmp_path / 'head.onnx')
    feed = {node.name: x.numpy() for node, x in zip(session.get_inputs(), inputs, strict=True)}
    torch.testing.assert_close(torch.from_numpy(session.run(None, feed)[0]), model(*inputs), rtol=1e-4, atol=1e-5)


@torch.no_grad()
def test_evaluation_can_be_exported() -> None:
    """As one graph, which is what ONNX export starts from, and without a random operation in it."""
    head, inputs = build().eval(), features()
    program = torch.export.export(head, (inputs,))
    assert not any('rand' in str(node.target) for node in program.graph.nodes)
    torch.testing.assert_close(program.module()(inputs), head(inputs))


@pytest.mark.parametrize(
    'config, shape, parameters, quoted',
    [
        ('segnext_mscan-t_8xb2-160k_ade20k-512x512', (512, 512), 4.26, 6.45),
        ('segnext_mscan-s_8xb2-160k_ade20k-512x512', (512, 512), 13.93, 15.72),
        ('segnext_mscan-b_8xb2-160k_ade20k-512x512', (512, 512), 27.64, 34.76),
        ('segnext_mscan-l_8xb2-160k_ade20k-512x512', (512, 512), 48.93, 69.84),
        ('segnext_mscan-t_8xb1-160k_cityscapes-1024x1024', (1024, 2048), 4.23, 50.50),
    ],
)
def test_cost(config: str, shape: tuple[int, int], parameters: float, quoted: float) -> None:
    """What mmengine's counter says of the official models (millions, billions); see docs/segnext.md."""
    complexity = count_complexity(MODELS.build(Config.fromfile(CONFIGS / f'{config}.py').model), shape)
    assert complexity.parameters['model'] / 1e6 == pytest.approx(parameters, rel=0.01)
    assert complexity.quoted['model'] / 1e9 == pytest.approx(quoted, rel=0.001)


@pytest.mark.parametrize('changes', [dict(rank=0), dict(train_steps=0), dict(eval_steps=-1), dict(rank=16.0)], ids=str)
def test_errors_name_the_argument(changes: dict) -> None:
    name, value = next(iter(changes.items()))
    with pytest.raises(ValueError, match=f'{name}={value}'):
        build(hamburger=changes)


def test_maps_of_another_encoder_are_refused() -> None:
    with pytest.raises(UserError, match=r'in_channels=\[8, 16, 24\], but the encoder gives .*\[8, 16, 32\]'):
        build()([torch.randn(1, c, 8, 8) for c in (8, 16, 32)])
