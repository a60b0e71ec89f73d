"""Predictions without the scores of all classes at the image's size: mmseg's labels, for less memory."""

import pytest
import torch
import torch.nn.functional as F
from mmengine.config import ConfigDict
from mmseg.models.segmentors import EncoderDecoder, SegTTAModel
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor

from scaseg.benchmarking.timing import peak_memory
from scaseg.errors import UserError
from scaseg.models import LeanEncoderDecoder, LeanTTAModel
from scaseg.ops import row_bands

NUM_CLASSES = 7
ENCODER = dict(type='MSCAN', embed_dims=[8, 16, 24, 32], mlp_ratios=[2, 2, 2, 2], depths=[1, 1, 1, 1])
VIT = dict(type='PlainVisionTransformer', embed_dims=16, num_layers=2, num_heads=2, img_size=(32, 32), patch_size=8)
LINEAR = dict(type='FCNHead', in_channels=8, in_index=0, channels=8, num_convs=1, num_classes=NUM_CLASSES)
ATM = dict(type='ATMHead', in_channels=[16], embed_dims=8, num_heads=2, num_classes=NUM_CLASSES)
MODELS_OF = {
    'logits': dict(backbone=ENCODER, decode_head=LINEAR),
    'aligned corners': dict(backbone=ENCODER, decode_head=LINEAR | dict(align_corners=True)),
    'one output': dict(backbone=ENCODER, decode_head=LINEAR | dict(num_classes=2, out_channels=1, threshold=0.5)),
    'many classes': dict(backbone=ENCODER, decode_head=LINEAR | dict(num_classes=60)),
    'probabilities': dict(
        backbone=VIT | dict(out_indices=[1]),
        decode_head=ATM,
    ),
    'many masks': dict(backbone=VIT | dict(out_indices=[1]), decode_head=ATM | dict(num_classes=60)),
}
NORMALISE = dict(type='SegDataPreProcessor', mean=[127.0] * 3, std=[64.0] * 3)
WHOLE, SLIDE = dict(mode='whole'), dict(mode='slide', crop_size=(64, 80), stride=(40, 53))


def build(kind: str, test_cfg: dict, weights: dict[str, Tensor] | None = None) -> LeanEncoderDecoder:
    settings = dict(type='LeanEncoderDecoder', test_cfg=test_cfg, data_preprocessor=NORMALISE)
    model = MODELS.build(settings | MODELS_OF[kind]).eval()
    if weights is None:
        for parameter in model.decode_head.parameters():
            torch.nn.init.normal_(parameter, std=0.5)
    else:
        model.load_state_dict(weights)
    return model


def stock(model: LeanEncoderDecoder, kind: str, test_cfg: dict) -> EncoderDecoder:
    settings = dict(type='EncoderDecoder', test_cfg=ConfigDict(test_cfg), data_preprocessor=NORMALISE)
    reference = MODELS.build(settings | MODELS_OF[kind]).eval()
    reference.load_state_dict(model.state_dict())
    return reference


def samples(size: tuple[int, int] = (131, 97)) -> list[SegDataSample]:
    """Three images in one batch: plain, mirrored, and padded at the right and lower border."""
    metas = [{}, dict(flip=True, flip_direction='vertical'), dict(img_padding_size=(0, 5, 0, 9))]
    return [SegDataSample(metainfo=dict(ori_shape=size, img_shape=(96, 160), **meta)) for meta in metas]


def predict(model: EncoderDecoder, inputs: Tensor) -> list[SegDataSample]:
    with torch.no_grad():
        return model.predict(inputs, samples())


@pytest.mark.parametrize('mode', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('kind', ['logits', 'aligned corners', 'one output', 'probabilities'])
def test_twice_is_mmseg_bit_for_bit(kind: str, mode: dict) -> None:
    model = build(kind, dict(mode, resampling='twice'))
    keeping = build(kind, dict(mode, resampling='twice', full_logits=True), model.state_dict())
    inputs = torch.randn(3, 3, 96, 160)
    results = (predict(m, inputs) for m in (stock(model, kind, mode), model, keeping))
    for expected, found, kept in zip(*results, strict=True):
        assert found.pred_sem_seg.data.dtype == torch.int64
        assert torch.equal(found.pred_sem_seg.data, expected.pred_sem_seg.data.long())
        assert torch.equal(kept.pred_sem_seg.data, found.pred_sem_seg.data)
        assert torch.equal(kept.seg_logits.data, expected.seg_logits.data)
        assert 'seg_logits' not in found


def test_once_is_interpolate_then_argmax() -> None:
    model = build('logits', WHOLE)
    inputs = torch.randn(3, 3, 96, 160)
    with torch.no_grad():
        logits = model(inputs)
    plain, mirrored, _ = predict(model, inputs)
    for sample, source in ((plain, logits[:1]), (mirrored, logits[1:2].flip(2))):
        expected = F.interpolate(source, (131, 97), mode='bilinear').argmax(dim=1)
        assert torch.equal(sample.pred_sem_seg.data, expected)


def test_paddings_are_cut_off_at_the_size_of_the_input() -> None:
    """What lies in the padding does not reach the labels: those of padded images are mmseg's."""
    model = build('logits', WHOLE)
    inputs = torch.randn(3, 3, 96, 160)
    expected, found = predict(stock(model, 'logits', WHOLE), inputs)[2], predict(model, inputs)[2]
    assert torch.equal(found.pred_sem_seg.data, expected.pred_sem_seg.data)


def test_views_mirrored_in_both_directions_at_once_are_refused() -> None:
    sample = SegDataSample(metainfo=dict(ori_shape=(64, 96), flip=True, flip_direction='diagonal'))
    with pytest.raises(UserError, match="flip_direction='diagonal': expected horizontal or vertical"):
        build('logits', WHOLE).predict(torch.randn(1, 3, 64, 96), [sample])


def test_predictions_without_samples_have_the_size_of_the_input() -> None:
    (sample,) = build('logits', WHOLE).predict(torch.randn(1, 3, 64, 96))
    assert sample.pred_sem_seg.data.shape == (1, 64, 96)


def test_images_of_a_batch_may_differ_in_size() -> None:
    model = build('logits', WHOLE)
    batch = [SegDataSample(metainfo=dict(ori_shape=size)) for size in ((90, 100), (150, 71))]
    found = model.predict(torch.randn(2, 3, 96, 96), batch)
    assert [sample.pred_sem_seg.data.shape for sample in found] == [(1, 90, 100), (1, 150, 71)]


@pytest.mark.parametrize('mode', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize('size', [(131, 97), (96, 160), (40, 333)])
def test_masks_in_bands_of_rows_make_the_map_of_all_rows(
    mode: dict, size: tuple[int, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In images that are mirrored, padded and resized, wherever a band ends."""
    monkeypatch.setitem(row_bands.BAND_ELEMENTS, 'cpu', 3 * NUM_CLASSES * size[1])
    model = build('probabilities', dict(mode, full_logits=True))
    labelling = build('probabilities', mode, model.state_dict())
    whole = build('probabilities', dict(mode, full_logits=True, resampling='twice'), model.state_dict())
    inputs = torch.randn(3, 3, 96, 160)
    with torch.no_grad():
        results = [m.predict(inputs, samples(size)) for m in (whole, model, labelling)]
    for expected, found, labelled in zip(*results, strict=True):
        torch.testing.assert_close(found.seg_logits.data, expected.seg_logits.data, rtol=1e-5, atol=1e-6)
        assert torch.equal(labelled.pred_sem_seg.data, found.seg_logits.data.argmax(dim=0, keepdim=True))
        assert 'seg_logits' not in labelled


@pytest.mark.parametrize('mode', [WHOLE, SLIDE], ids=['whole', 'slide'])
@pytest.mark.parametrize(
    'kind, size',
    [('many classes', (400, 401)), *(('many masks', size) for size in ((400, 401), (100, 101), (20, 21)))],
)
def test_memory_is_that_of_a_few_planes(
    kind: str, size: tuple[int, int], mode: dict, monkeypatch: pytest.MonkeyPatch
) -> None:
    """mmseg holds all 60 classes at the size of the input, and again at the size of the image."""
    monkeypatch.setitem(row_bands.BAND_ELEMENTS, 'cpu', 2**15)
    model = build(kind, mode)
    sample = SegDataSample(metainfo=dict(ori_shape=size))
    with torch.no_grad():
        (scores,) = model.score(torch.randn(1, 3, 160, 160), [sample])
        extra = peak_memory(lambda: model.label(sample, scores, are_probabilities=False), torch.device('cpu'))
    assert extra < 6 * max(size[0] * size[1], 160 * 160) * 4


def augmented(size: tuple[int, int]) -> dict:
    """Two images, each seen small, mirrored and large, as the data loader gives them."""
    views = [((64, 96), False), ((64, 96), True), ((96, 160), True)]
    common = dict(ori_shape=size, flip_direction='horizontal', img_path='a')
    metas = [dict(common, img_shape=shape, flip=flip) for shape, flip in views]
    inputs = [[torch.randint(256, (3, *shape), dtype=torch.uint8) for _ in range(2)] for shape, _ in views]
    return dict(inputs=inputs, data_samples=[[SegDataSample(metainfo=meta) for _ in range(2)] for meta in metas])


def test_augmentation_at_the_size_of_the_image_is_mmseg_s() -> None:
    model = build('logits', WHOLE | dict(resampling='twice'))
    data = augmented((131, 97))
    with torch.no_grad():
        expected = SegTTAModel(module=stock(model, 'logits', WHOLE)).test_step(data)
        found = LeanTTAModel(module=model).test_step(data)
    for one, other in zip(found, expected, strict=True):
        assert torch.equal(one.pred_sem_seg.data, other.pred_sem_seg.data)


def test_augmentation_of_one_output_takes_the_sigmoid_once() -> None:
    """mmseg takes it in each prediction, and again of the result."""
    model = build('one output', WHOLE | dict(resampling='twice', full_logits=True))
    data = augmented((131, 97))
    with torch.no_grad():
        views = [model.test_step(dict(inputs=i, data_samples=s)) for i, s in zip(*data.values(), strict=True)]
        mean = sum(view[1].seg_logits.data for view in views) / len(views)
        found = LeanTTAModel(module=model).test_step(data)[1]
    torch.testing.assert_close(found.seg_logits.data, mean)
    assert torch.equal(found.pred_sem_seg.data, (mean > 0.5).long())


@pytest.mark.parametrize('kind', ['logits', 'probabilities'])
def test_augmentation_averages_probabilities_at_the_size_of_the_finest_view(kind: str) -> None:
    model = build(kind, WHOLE | dict(full_logits=True))
    data = augmented((300, 401))
    with torch.no_grad():
        maps = [probabilities(model, data, view, (24, 40) if kind == 'logits' else (96, 160)) for view in (2, 1, 0)]
        found = LeanTTAModel(module=model).test_step(data)[0]
    expected = F.interpolate(sum(maps) / 3, (300, 401), mode='bilinear')
    torch.testing.assert_close(found.seg_logits.data, expected[0])
    assert (found.pred_sem_seg.data == expected.argmax(dim=1)).float().mean() > 0.999


def probabilities(model: LeanEncoderDecoder, data: dict, view: int, grid: tuple[int, int]) -> Tensor:
    """What the model says about the first image in one of its views, at the size of the grid."""
    image, sample = data['inputs'][view][0], data['data_samples'][view][0]
    inputs = model.data_preprocessor(dict(inputs=[image], data_samples=[sample]))['inputs']
    scores = model.encode_decode(inputs, [sample.metainfo]) if model.gives_probabilities else model(inputs)
    scores = F.interpolate(scores.flip(3) if sample.flip else scores, grid, mode='bilinear')
    return scores if model.gives_probabilities else scores.softmax(dim=1)


def test_augmentation_takes_no_memory_for_the_size_of_the_image() -> None:
    model = LeanTTAModel(module=build('many classes', WHOLE))
    data = augmented((600, 800))
    with torch.no_grad():
        extra = peak_memory(lambda: model.test_step(data), torch.device('cpu'))
    assert extra < 12 * 600 * 800 * 4, 'mmseg: 60 planes of that size for each of the views'


@pytest.mark.parametrize(
    'test_cfg, message',
    [
        (dict(resampling='thrice'), r"model\.test_cfg\.resampling='thrice': expected 'once' or 'twice'"),
        (dict(mode='slid'), r"model\.test_cfg\.mode='slid': expected 'whole' or 'slide'"),
        (dict(mode='slide', crop_size=(64, 64)), r"mode='slide' needs stride=\(height, width\)"),
        (dict(mode='slide', crop_size=(64, 64), stride=(64, 65)), r'stride=\(64, 65\) is larger than crop_size'),
    ],
    ids=['resampling', 'mode', 'stride', 'gaps'],
)
def test_modes_that_do_not_exist(test_cfg: dict, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        build('logits', test_cfg)
