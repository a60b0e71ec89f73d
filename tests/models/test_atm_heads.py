"""Attention-to-mask, ATMHead and ShrunkATMHead: what they compute, at which size, and their errors."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.structures import PixelData
from mmseg.models.losses import accuracy
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from scaseg.errors import UserError
from scaseg.models.decode_heads.mask_classification_head import MaskClassificationHead
from scaseg.models.layers import ATMDecoderLayer, AttentionToMask, MaskPrediction

CHANNELS, CLASSES = [8, 16, 12], 5
SIZES = [(9, 13), (5, 7), (3, 4)]
ATM = dict(type='ATMHead', in_channels=CHANNELS, embed_dims=16, num_heads=4, num_classes=CLASSES, num_layers=2)
SHRUNK = ATM | dict(type='ShrunkATMHead', in_channels=CHANNELS[:2], grid_size=(4, 6))


def build(settings: dict = ATM, **changes: object) -> MaskClassificationHead:
    """A head with weights so large that sigmoid and softmax are far from linear."""
    head = MODELS.build(settings | changes)
    for module in head.modules():
        if isinstance(module, nn.Linear):
            nn.init.normal_(module.weight, std=0.5)
    return head.eval()


def features(batch: int = 2) -> list[Tensor]:
    return [torch.randn(batch, c, *size) for c, size in zip(CHANNELS, SIZES, strict=True)]


def test_attention_to_mask_head_by_head() -> None:
    attention = AttentionToMask(channels=12, num_heads=3).eval()
    queries, tokens = torch.randn(2, 5, 12), torch.randn(2, 7, 12)
    q, k, v = attention.q(queries), attention.k(tokens), attention.v(tokens)
    gathered, scores = [], []
    for head in range(3):
        part = slice(4 * head, 4 * head + 4)
        scores.append(q[..., part] @ k[..., part].transpose(1, 2) / 4**0.5)
        gathered.append(scores[-1].softmax(-1) @ v[..., part])
    out, masks = attention(queries, tokens)
    torch.testing.assert_close(out, attention.proj(torch.cat(gathered, -1)))
    torch.testing.assert_close(masks, sum(scores) / 3)


def test_a_decoder_layer_is_torchs() -> None:
    """The official layer is torch's with another cross-attention, which gathers the same."""
    theirs, ours = nn.TransformerDecoderLayer(12, 3, 48, batch_first=True).eval(), ATMDecoderLayer(12, 3).eval()
    for parameter in theirs.parameters():
        nn.init.normal_(parameter, std=0.5)
    state = theirs.state_dict()
    for kind in ('weight', 'bias'):
        parts = state.pop(f'multihead_attn.in_proj_{kind}').chunk(3)
        state |= {f'multihead_attn.{part}.{kind}': x for part, x in zip('qkv', parts, strict=True)}
        state[f'multihead_attn.proj.{kind}'] = state.pop(f'multihead_attn.out_proj.{kind}')
    ours.load_state_dict(state)
    queries, tokens = torch.randn(2, 5, 12), torch.randn(2, 7, 12)
    torch.testing.assert_close(ours(queries, tokens)[0], theirs(queries, tokens))


def test_dropout_spares_the_masks() -> None:
    attention = AttentionToMask(channels=12, num_heads=3, dropout=0.5)
    queries, tokens = torch.randn(2, 5, 12), torch.randn(2, 7, 12)
    (first, masks), (again, same) = attention(queries, tokens), attention(queries, tokens)
    assert torch.equal(masks, same) and not torch.equal(first, again)


def test_fuse_pixel_by_pixel() -> None:
    classes, masks = torch.randn(1, 3, 4), torch.randn(1, 3, 2, 2)
    fused = MaskPrediction(classes, masks).fuse()
    for c in range(3):
        for y in range(2):
            for x in range(2):
                expected = sum(classes[0, q].softmax(0)[c] * masks[0, q, y, x].sigmoid() for q in range(3))
                torch.testing.assert_close(fused[0, c, y, x], expected)


def test_the_cascade_starts_at_the_deepest_level_and_adds_up_masks() -> None:
    head, inputs = build(), features()
    seen = []
    for layers in head.decoders:
        layers[-1].register_forward_hook(lambda layer, args, out: seen.append((args[1], *out)))
    stages = head.predict_masks(inputs)
    masks = torch.zeros(2, CLASSES, *SIZES[0])
    for stage, (tokens, queries, scores), size in zip(stages, seen, reversed(SIZES), strict=True):
        assert tokens.shape[1] == size[0] * size[1]
        masks = masks + F.interpolate(scores.reshape(2, CLASSES, *size), size=SIZES[0], mode='bilinear')
        torch.testing.assert_close(stage.mask_logits, masks)
        torch.testing.assert_close(stage.class_logits, head.class_embed(queries))
    assert torch.equal(head(inputs), stages[-1].fuse())


def test_levels_are_chosen_by_index() -> None:
    inputs = features()
    head = build(in_channels=[16, 12], in_index=[1, 2])
    assert [stage.mask_logits.shape[-2:] for stage in head.predict_masks(inputs)] == [SIZES[1]] * 2


def test_shrunk_supervises_every_layer_on_the_grid_of_the_shallowest_level() -> None:
    head, inputs = build(SHRUNK, num_layers=3), features()[:2]
    seen = []
    for layer in head.layers:
        layer.register_forward_hook(lambda layer, args, out: seen.append((args[1], *out)))
    stages = head.predict_masks(inputs)
    assert len(stages) == 3
    for stage, (tokens, queries, scores) in zip(stages, seen, strict=True):
        assert torch.equal(tokens, seen[0][0])
        torch.testing.assert_close(stage.mask_logits, scores.reshape(2, CLASSES, *SIZES[0]))
        torch.testing.assert_close(stage.class_logits, head.class_embed(queries))


def test_shrunk_gathers_from_the_shallow_level_first() -> None:
    head, inputs = build(SHRUNK, grid_size=SIZES[0]), features()[:2]
    tokens = head.grid.flatten(2).transpose(1, 2).expand(2, -1, -1)
    for upsampler, project, x in zip(head.upsamplers, head.projections, inputs, strict=True):
        tokens = upsampler(tokens, project(x))
    seen = []
    head.layers[0].register_forward_hook(lambda layer, args, out: seen.append(args[1]))
    head(inputs)
    torch.testing.assert_close(seen[0], tokens)


@pytest.mark.parametrize('settings', [ATM, SHRUNK], ids=['ATMHead', 'ShrunkATMHead'])
def test_masks_are_resized_before_they_become_probabilities(settings: dict) -> None:
    head = build(settings)
    inputs = features()[: len(head.in_channels)]
    classes, masks = head.predict_masks(inputs)[-1]
    out = head.predict(inputs, [dict(img_shape=(31, 50))] * 2, {})
    masks = F.interpolate(masks, size=(31, 50), mode='bilinear', align_corners=False).sigmoid()
    probabilities = classes.softmax(-1)[..., :-1]
    expected = sum(probabilities[:, q, :, None, None] * masks[:, q, None] for q in range(CLASSES))
    torch.testing.assert_close(out, expected)
    assert out.min() >= 0


def test_losses_and_accuracy() -> None:
    head, inputs = build(), features()
    labels = torch.randint(0, CLASSES, (2, 1, 31, 50))
    labels[..., :9] = 255
    losses = head.loss(inputs, [SegDataSample(gt_sem_seg=PixelData(data=label)) for label in labels], {})
    expected = head.loss_decode(head.predict_masks(inputs), labels[:, 0])
    for name in ('loss_ce', 'loss_mask', 'loss_dice'):
        torch.testing.assert_close(losses[name], expected[name])
    fused = F.interpolate(head(inputs), size=(31, 50), mode='bilinear', align_corners=False)
    torch.testing.assert_close(losses['acc_seg'], accuracy(fused, labels[:, 0], ignore_index=255))
    assert not losses['acc_seg'].requires_grad


def test_cross_entropy_is_refused() -> None:
    with pytest.raises(ValueError, match='ATMHead gives no logits for CrossEntropyLoss, use ATMLoss'):
        build(loss_decode=dict(type='CrossEntropyLoss'))


@pytest.mark.parametrize('settings', [ATM, SHRUNK], ids=['ATMHead', 'ShrunkATMHead'])
def test_heads_that_do_not_divide(settings: dict) -> None:
    with pytest.raises(ValueError, match='num_heads=5 does not divide embed_dims=16'):
        build(settings, num_heads=5)


def test_maps_of_another_encoder_are_refused() -> None:
    with pytest.raises(UserError, match=r'in_channels=\[8, 16, 12\], but the encoder gives maps of \[8, 16, 8\]'):
        build()([*features()[:2], torch.randn(2, 8, 3, 4)])


@pytest.mark.parametrize('settings', [ATM, SHRUNK], ids=['ATM', 'Shrunk'])
def test_a_traced_prediction_is_the_prediction(settings: dict) -> None:
    """Also for other images than the one it was traced with: nothing is written into the masks while tracing."""

    class Prediction(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = build(settings)

        def forward(self, *levels: Tensor) -> Tensor:
            return self.head.predict(levels, [dict(img_shape=(67, 99))], {})

    model, levels = Prediction().eval(), len(settings['in_channels'])
    with torch.no_grad():
        traced = torch.jit.trace(model, tuple(features()[:levels]), check_trace=False)
        others = features()[:levels]
        torch.testing.assert_close(traced(*others), model(*others))
