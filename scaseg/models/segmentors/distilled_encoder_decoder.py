"""Multi-resolution distillation with feature up-sampling, after SeaFormer++ (arXiv 2301.13156v6, IJCV 2025).

The published idea: a teacher sees the image at full resolution, a student at half of it; a learned module brings the
student's features to the teacher's grid; beside its task the student learns from the teacher's features, from what the
teacher's classifier makes of its own features, and from the teacher's output. Neither code nor weights of the losses
are public: which features, which classifier and which distances are our design (``docs/seaformer.md``).
"""

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.registry import MODELS
from mmseg.structures import SegDataSample
from mmseg.utils import add_prefix
from torch import Tensor

from scaseg.errors import UserError
from scaseg.weights import local_copy, read_checkpoint
from scaseg.weights.layouts import unwrap
from scaseg.weights.load import compare

from ..decode_heads.multi_level_head import MultiLevelHead
from ..losses import feature_distance, log_probabilities, output_divergence
from .lean_encoder_decoder import LeanEncoderDecoder


@MODELS.register_module()
class HalfResolutionEncoderDecoder(LeanEncoderDecoder):
    """``LeanEncoderDecoder`` that halves its images, averaging 2 × 2 pixels, at a quarter of the encoder's cost.

    It takes images of the usual size. With a ``FeatureUpsampler`` as its neck the levels have the usual sizes again,
    and so have the logits; without a neck, half of them.

    Args:
        See ``LeanEncoderDecoder``.
    """

    def extract_feat(self, inputs: Tensor) -> Sequence[Tensor]:
        return super().extract_feat(F.avg_pool2d(inputs, 2, ceil_mode=True))


@MODELS.register_module()
class DistilledEncoderDecoder(HalfResolutionEncoderDecoder):
    """A student at half resolution that is trained with a frozen teacher at full resolution.

    The teacher is no submodule: ``state_dict``, ``parameters``, ``train`` and ``to`` know the student alone, whose
    checkpoint a ``HalfResolutionEncoderDecoder`` of the same config reads. A test needs no teacher's weights.

    With F, T the levels of student and teacher, on the same grids; h, h_T their heads; y the labels:

        L = task(h(F), y) + w_f · distance(F, T) + w_x · CE(h_T(F), y) + w_o · KL(h_T(T) ‖ h(F))

    Any two heads go together, on encoders with the same levels; see ``scaseg.models.losses.distillation`` for the
    terms. What a mask classification head gives is divided by its sum over the classes first.

    Args:
        backbone: config of the student's encoder.
        decode_head: config of the student's head; the weight of the task is ``loss_weight`` in its ``loss_decode``.
        teacher: config of the teacher, a ``LeanEncoderDecoder``; its ``pretrained`` is not used.
        teacher_checkpoint: file with all its weights.
        feature_weight: w_f, of the distance of the features.
        cross_weight: w_x, of the cross-entropy of the student's features under the teacher's head.
        output_weight: w_o, of the divergence of the outputs.
        kwargs: of ``LeanEncoderDecoder``; ``neck`` is a ``FeatureUpsampler``.

    Raises:
        ValueError: at construction, there is no neck, a weight is negative, or the teacher is no
            ``LeanEncoderDecoder``, or has another number of classes or normalisation of the images than the student.
        UserError: at ``init_weights``, the checkpoint is missing or does not fit; in training, encoders of other
            levels.
    """

    def __init__(
        self,
        backbone: dict,
        decode_head: dict,
        teacher: dict,
        teacher_checkpoint: str,
        feature_weight: float = 1.0,
        cross_weight: float = 1.0,
        output_weight: float = 1.0,
        **kwargs: Any,
    ) -> None:
        super().__init__(backbone, decode_head, **kwargs)
        model: LeanEncoderDecoder = MODELS.build({**teacher, 'pretrained': None})
        _check_student(self)
        _check_same_task(self, model)
        self._hidden_teacher = [model.requires_grad_(False).eval()]  # in a list: no submodule
        self.teacher_checkpoint = teacher_checkpoint
        weights = dict(feature_weight=feature_weight, cross_weight=cross_weight, output_weight=output_weight)
        for name, weight in weights.items():
            if weight < 0:
                raise ValueError(f'model.{name}={weight}: expected 0 or more')
        self.feature_weight = feature_weight
        self.cross_weight = cross_weight
        self.output_weight = output_weight

    @property
    def teacher(self) -> LeanEncoderDecoder:
        return self._hidden_teacher[0]

    def init_weights(self) -> None:
        """Initialise the student as ever, and load the teacher, in every process."""
        super().init_weights()
        _load_teacher(self.teacher, self.teacher_checkpoint)

    def loss(self, inputs: Tensor, data_samples: list[SegDataSample]) -> dict[str, Tensor]:
        """Losses of the student's heads, and of the distillation as ``distill.loss_{feature,cross,output}``.

        Args:
            inputs: normalised images (B, 3, H, W) at full resolution.
            data_samples: one for each image, with its labels.
        """
        teacher = self.teacher.to(inputs.device)
        with torch.no_grad():
            targets = teacher.extract_feat(inputs)
            target_output = teacher.decode_head(targets)
        features = _on_grid(self.extract_feat(inputs), targets)
        losses, output = self._task(features, data_samples)

        labels = torch.stack([sample.gt_sem_seg.data for sample in data_samples]).squeeze(1)
        crossed = _resize(teacher.decode_head(features), labels.shape[-2:])
        crossed = log_probabilities(crossed, teacher.gives_probabilities)
        output = log_probabilities(_resize(output, target_output.shape[-2:]), self.gives_probabilities)
        target_output = log_probabilities(target_output, teacher.gives_probabilities)
        # The mean over all pixels, ignored ones included, is mmseg's; it is finite where a crop has no labels at all.
        cross_entropy = F.nll_loss(crossed, labels, ignore_index=self.decode_head.ignore_index, reduction='sum')
        losses['distill.loss_feature'] = self.feature_weight * feature_distance(features, targets)
        losses['distill.loss_cross'] = self.cross_weight * cross_entropy / labels.numel()
        losses['distill.loss_output'] = self.output_weight * output_divergence(output, target_output)
        return losses

    def _task(self, features: Sequence[Tensor], data_samples: list[SegDataSample]) -> tuple[dict[str, Tensor], Tensor]:
        """Losses of the student's own heads, and the map that its head gives, from one pass."""
        head = self.decode_head
        if isinstance(head, MultiLevelHead):
            losses, output = head.loss_and_map(features, data_samples)
        else:
            output = head(features)
            losses = head.loss_by_feat(output, data_samples)
        losses = add_prefix(losses, 'decode')
        if self.with_auxiliary_head:
            losses |= self._auxiliary_head_forward_train(features, data_samples)
        return losses, output


def _check_student(student: LeanEncoderDecoder) -> None:
    if not student.with_neck:
        raise ValueError(
            "model.neck: the student's levels are half as large as the teacher's; "
            "set it to dict(type='FeatureUpsampler', in_channels=[…])"
        )
    head = student.decode_head
    if not isinstance(head, MultiLevelHead) and type(head).loss is not BaseDecodeHead.loss:
        kind = type(head).__name__
        raise ValueError(f'model.decode_head.type={kind!r}: its loss is not one of the map that it gives')


def _check_same_task(student: LeanEncoderDecoder, teacher: LeanEncoderDecoder) -> None:
    if not isinstance(teacher, LeanEncoderDecoder):
        raise ValueError(f'model.teacher.type: expected LeanEncoderDecoder, found {type(teacher).__name__}')
    if student.num_classes != teacher.num_classes:
        raise ValueError(f'model.teacher has {teacher.num_classes} classes, the student {student.num_classes}')
    own, other = (
        {name: buffer.flatten().tolist() for name, buffer in model.data_preprocessor.named_buffers()}
        for model in (student, teacher)
    )
    if own != other:
        raise ValueError(
            f'model.teacher.data_preprocessor normalises by {other}, the student by {own}: it must be the same'
        )


def _load_teacher(teacher: LeanEncoderDecoder, checkpoint: str) -> None:
    path = local_copy(checkpoint)
    if not path.is_file():
        raise UserError(
            f'model.teacher_checkpoint={checkpoint!r}: no such file; train the teacher first, or name yours'
        )
    try:
        tensors = {name.removeprefix('module.'): x for name, x in unwrap(read_checkpoint(path)).items()}
    except UserError as error:
        raise UserError(f'model.teacher_checkpoint={checkpoint!r}: {error}') from error
    faults = compare('teacher', path, teacher.state_dict(), tensors).faults
    if faults:
        raise UserError(f'model.teacher_checkpoint={checkpoint!r} does not fit model.teacher: {faults}')
    teacher.load_state_dict(tensors, strict=False)


def _on_grid(features: Sequence[Tensor], targets: Sequence[Tensor]) -> list[Tensor]:
    """The student's levels at the sizes of the teacher's: odd sizes come out of halving and doubling one too large."""
    own, expected = ([x.shape[1] for x in levels] for levels in (features, targets))
    if own != expected:
        raise UserError(
            f'the encoder of model.teacher gives maps of {expected} channels, the one of the student {own}: they have '
            'to be alike, to be compared and to pass the head of the teacher'
        )
    for x, target in zip(features, targets, strict=True):
        if max(abs(a - b) for a, b in zip(x.shape[-2:], target.shape[-2:], strict=True)) > 1:
            raise UserError(
                f"model.neck: it gives the student a map of {tuple(x.shape[-2:])} where the teacher's is "
                f'{tuple(target.shape[-2:])} (H, W)'
            )
    return [_resize(x, target.shape[-2:]) for x, target in zip(features, targets, strict=True)]


def _resize(x: Tensor, size: Sequence[int]) -> Tensor:
    return x if x.shape[-2:] == size else F.interpolate(x, size=size, mode='bilinear', align_corners=False)
