"""The segmentor of all scaseg configs."""

import contextlib
import io
import operator
from collections.abc import Callable, Iterator, Sequence
from inspect import signature
from typing import Any

import torch
from mmengine.dist import is_main_process
from mmengine.logging import print_log
from mmengine.model import revert_sync_batchnorm
from mmengine.structures import PixelData
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.models.segmentors import EncoderDecoder
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from scaseg.errors import UserError
from scaseg.weights import load_pretrained

from ..backbones import LeveledEncoder, TIMMFeatures
from ..decode_heads.mask_classification_head import MaskClassificationHead
from ..layers import MaskPrediction
from .class_scores import Box, ClassScores, Size, Window
from .confidence import label_confidence
from .row_scores import MaskScores, MaskWindow, RowScores


@MODELS.register_module()
class LeanEncoderDecoder(EncoderDecoder):
    """mmseg's ``EncoderDecoder`` with encoders by name, lean predictions, and checks where mmseg is silent.

    A prediction goes from the head's scores to labels at the image's size class by class: the tensor of all classes at
    that size is never there, unless ``test_cfg`` asks for it (``docs/evaluation.md``).

    Args:
        backbone: config of the encoder.
        decode_head: config of the head. ``in_channels`` and ``strides`` that it leaves out, or sets to None, are those
            of the encoder, if that is one of ours.
        pretrained: name of the encoder's weights (``docs/pretrained.md``) or path of a file with them; ``None`` trains
            from scratch. Weights that match less than 95 % of the encoder's tensors are refused.
        kwargs: of mmseg's ``EncoderDecoder``. ``test_cfg`` takes two more keys: ``resampling='once'`` resizes scores
            to the image's size directly, ``'twice'`` by way of the network's input as mmseg does; ``full_logits=True``
            puts the scores of all classes at the image's size into ``seg_logits`` of the predictions, and
            ``confidence=True`` the probability of each label into ``confidence``.

    Raises:
        ValueError: at construction, channels or strides of one of our encoders do not fit a head, or ``test_cfg``
            holds an unknown mode, or windows that leave gaps.
        UserError: at ``init_weights``, the pretrained weights are missing, broken or do not fit.
    """

    def __init__(self, backbone: dict, decode_head: dict, pretrained: str | None = None, **kwargs: Any) -> None:
        super().__init__(backbone=backbone, decode_head=decode_head, **kwargs)
        self.pretrained = pretrained
        self.test_cfg: dict = kwargs.get('test_cfg') or {}
        _check_test_cfg(self.test_cfg)
        if isinstance(self.backbone, LeveledEncoder) and not self.with_neck:
            for name in ('decode_head', 'auxiliary_head'):
                heads = getattr(self, name, None)
                for head in heads if isinstance(heads, nn.ModuleList) else filter(None, [heads]):
                    _check_head_fits(self.backbone, head, name)
        self.num_reverted_norms = 0 if torch.cuda.is_available() else self._revert_sync_batchnorm()

    def _init_decode_head(self, decode_head: dict) -> None:
        if isinstance(self.backbone, LeveledEncoder) and not self.with_neck:
            decode_head = _with_levels(decode_head, self.backbone)
        super()._init_decode_head(decode_head)

    @property
    def gives_probabilities(self) -> bool:
        """Whether the head's map, which samples carry as ``seg_logits``, holds probabilities and not logits."""
        return getattr(self.decode_head, 'gives_probabilities', False)

    def init_weights(self) -> None:
        """Initialise at random, then load the pretrained encoder; in distributed training the runner broadcasts."""
        if self.num_reverted_norms:
            message = f'no GPU: {self.num_reverted_norms} SyncBN layers work as BN, on the batch of their own process'
            print_log(message, logger='current')
        with contextlib.redirect_stdout(io.StringIO()):  # mmseg's MSCAN prints its init_cfg
            super().init_weights()
        if self.pretrained is not None and is_main_process():
            encoder = self.backbone.features if isinstance(self.backbone, TIMMFeatures) else self.backbone
            load_pretrained(encoder, self.pretrained)

    def predict(self, inputs: Tensor, data_samples: list[SegDataSample] | None = None) -> list[SegDataSample]:
        """Label every pixel of the images.

        Args:
            inputs: normalised images (B, 3, H, W).
            data_samples: one for each image, whose ``ori_shape`` is the labels' size; ``None`` takes the inputs'.

        Returns:
            The samples, with class ids (1, H, W) int64 in ``pred_sem_seg`` and, with ``full_logits``, what the head
            gives (K, H, W) in ``seg_logits``; where it has one output for two classes, the probability.
        """
        if data_samples is None:
            shapes = dict.fromkeys(('ori_shape', 'img_shape', 'pad_shape'), tuple(inputs.shape[-2:]))
            data_samples = [SegDataSample(metainfo=shapes) for _ in inputs]
        for sample, scores in zip(data_samples, self.score(inputs, data_samples), strict=True):
            self.label(sample, scores, self.gives_probabilities)
        return data_samples

    def score(self, inputs: Tensor, data_samples: Sequence[SegDataSample]) -> list[ClassScores | RowScores]:
        """Scores of all classes for each image, at the size of the head's map; of each window in mode ``'slide'``."""
        metas = [sample.metainfo for sample in data_samples]
        height, width = inputs.shape[-2:]
        boxes = list(self._boxes(height, width))
        parts = [self._score_part(inputs[..., top:bottom, left:right], metas) for top, bottom, left, right in boxes]
        return [self.assemble(parts, boxes, index, (height, width), meta) for index, meta in enumerate(metas)]

    def assemble(
        self, parts: Sequence[Tensor | MaskPrediction], boxes: Sequence[Box], index: int, input_size: Size, meta: dict
    ) -> ClassScores | RowScores:
        """Scores of one image of the batch from what the head gave for parts of the input.

        Args:
            parts: scores (B, K, h, w), or masks.
            boxes: top, bottom, left and right of each part in the input.
            index: of the image.
            input_size: (H, W) of the network's input.
            meta: the image's metainfo.

        Raises:
            UserError: the image is mirrored in both directions at once.
        """
        geometry: dict[str, Any] = dict(
            input_size=input_size,
            padding=tuple(meta.get('img_padding_size', meta.get('padding_size', (0, 0, 0, 0)))),
            flip=meta['flip_direction'] if meta.get('flip') else None,
            align_corners=self.align_corners,
        )
        if geometry['flip'] not in (None, 'horizontal', 'vertical'):
            raise UserError(f'flip_direction={geometry["flip"]!r}: expected horizontal or vertical')
        image, placed = slice(index, index + 1), list(zip(parts, boxes, strict=True))
        masks = [MaskWindow(part.of(image), *box) for part, box in placed if isinstance(part, MaskPrediction)]
        if masks:
            return MaskScores(masks, **geometry)
        windows = [Window(part[image], *box) for part, box in placed if isinstance(part, Tensor)]
        return ClassScores(windows, **geometry, twice=self.test_cfg.get('resampling') == 'twice')

    def label(self, sample: SegDataSample, scores: ClassScores | RowScores, are_probabilities: bool) -> None:
        """Put the labels that scores give, and what ``full_logits`` asks for, into the sample of an image."""
        size = tuple(sample.ori_shape[:2])
        if self.test_cfg.get('confidence', False):
            sample.confidence = PixelData(data=label_confidence(scores, size, are_probabilities))
        keeps_scores = self.test_cfg.get('full_logits', False)
        if scores.num_classes > 1 and not keeps_scores:
            sample.pred_sem_seg = PixelData(data=scores.labels(size))
            return
        full = scores.resized(size)
        if scores.num_classes > 1:
            labels = full.argmax(dim=1)
        else:
            full = full if are_probabilities else full.sigmoid()
            labels = (full[:, 0] > self.decode_head.threshold).long()
        sample.pred_sem_seg = PixelData(data=labels)
        if keeps_scores:
            sample.seg_logits = PixelData(data=full[0])

    def _boxes(self, height: int, width: int) -> Iterator[Box]:
        """Top, bottom, left and right of the windows: at the right and lower border they are shifted to fit in."""
        if self.test_cfg.get('mode', 'whole') == 'whole':
            yield 0, height, 0, width
            return
        crop, stride = self.test_cfg['crop_size'], self.test_cfg['stride']
        rows, columns = (
            [max(min(start, length - c), 0) for start in range(0, max(length - c, 0) + s, s)]
            for length, c, s in zip((height, width), crop, stride, strict=True)
        )
        for top in rows:
            for left in columns:
                yield top, min(top + crop[0], height), left, min(left + crop[1], width)

    def _score_part(self, inputs: Tensor, metas: Sequence[dict]) -> Tensor | MaskPrediction:
        """Scores (B, K, h, w), at the inputs' size from a head with a way of its own to get there; or masks."""
        features = self.extract_feat(inputs)
        head, way = self.decode_head, _way_to_a_map(type(self.decode_head))
        if way == _way_to_a_map(MaskClassificationHead) and self.test_cfg.get('resampling') != 'twice':
            return head.predict_masks(features)[-1]
        if way == _way_to_a_map(BaseDecodeHead):
            return head(features).contiguous()
        metas = [{**meta, 'img_shape': inputs.shape[-2:]} for meta in metas]
        return head.predict(features, metas, self.test_cfg).contiguous()

    def _dump_init_info(self) -> None:
        """Nothing: mmengine would write three lines for each parameter into the log file."""

    def _revert_sync_batchnorm(self) -> int:
        """Turn SyncBN, which works on GPUs only, into BN, whose tensors have the same names. Returns how many."""
        count = sum(isinstance(module, nn.SyncBatchNorm) for module in self.modules())
        if count:
            for name, child in list(self.named_children()):
                setattr(self, name, revert_sync_batchnorm(child))
        return count


def _way_to_a_map(kind: type[BaseDecodeHead]) -> tuple[Callable, Callable]:
    """The methods that a head may override to get to the size of the image in its own way."""
    return kind.predict, kind.predict_by_feat


def _check_test_cfg(test_cfg: dict) -> None:
    for key, known in (('mode', ('whole', 'slide')), ('resampling', ('once', 'twice'))):
        value = test_cfg.get(key, known[0])
        if value not in known:
            raise ValueError(f'model.test_cfg.{key}={value!r}: expected {known[0]!r} or {known[1]!r}')
    missing = [key for key in ('crop_size', 'stride') if key not in test_cfg]
    if test_cfg.get('mode') == 'slide' and missing:
        raise ValueError(f"model.test_cfg.mode='slide' needs {missing[0]}=(height, width)")
    if test_cfg.get('mode') == 'slide' and any(map(operator.gt, test_cfg['stride'], test_cfg['crop_size'])):
        stride, crop_size = test_cfg['stride'], test_cfg['crop_size']
        raise ValueError(
            f'model.test_cfg.stride={stride} is larger than crop_size={crop_size}: no window sees the rest'
        )


def _with_levels(decode_head: dict, encoder: LeveledEncoder) -> dict:
    """The config of a head whose ``in_channels`` and ``strides``, where it leaves them out, are the encoder's."""
    if decode_head.get('in_channels') is not None:
        return decode_head
    indices = decode_head.get('in_index') or range(len(encoder.channels))
    if isinstance(indices, int) or max(indices) >= len(encoder.channels):
        raise ValueError(
            f'decode_head.in_index={indices}: the encoder has the levels 0 to {len(encoder.channels) - 1}'
        )
    levels: dict[str, list[int]] = {'in_channels': [encoder.channels[index] for index in indices]}
    if 'strides' in signature(MODELS.get(decode_head['type'])).parameters and decode_head.get('strides') is None:
        levels['strides'] = [encoder.strides[index] for index in indices]
    return {**decode_head, **levels}


def _check_head_fits(encoder: LeveledEncoder, head: BaseDecodeHead, name: str) -> None:
    """Raise a ValueError that names the config key when a head does not fit the levels of an encoder."""
    several = isinstance(head.in_index, (list, tuple))
    indices = head.in_index if several else [head.in_index]
    if max(indices) >= len(encoder.channels):
        raise ValueError(f'{name}.in_index={head.in_index}: the encoder has {len(encoder.channels)} levels')
    channels = [encoder.channels[i] for i in indices]
    expected = head.in_channels if several else [head.in_channels]
    if head.input_transform == 'resize_concat':
        channels, expected = [sum(channels)], [head.in_channels]
    if channels != list(expected):
        raise ValueError(f'{name}.in_channels={head.in_channels}, but the encoder gives {channels}')
    strides = [encoder.strides[i] for i in indices]
    if strides != list(getattr(head, 'strides', strides)):
        raise ValueError(f'{name}.strides={list(head.strides)}, but the encoder gives {strides}')
