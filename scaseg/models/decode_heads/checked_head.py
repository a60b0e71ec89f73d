"""What every head checks about the levels that it is given."""

from collections.abc import Sequence
from typing import Any

from mmseg.models.decode_heads.decode_head import BaseDecodeHead
from mmseg.utils import SampleList
from torch import Tensor

from scaseg.errors import UserError


class CheckedHead(BaseDecodeHead):
    """mmseg's head, which says what does not fit where mmseg fails an assertion without words, or in a convolution.

    Raises:
        ValueError: at construction, ``in_channels`` and ``in_index`` do not have one entry for each level.
        UserError: in a forward, the encoder gives fewer levels than ``in_index`` names, or maps of other channels.
    """

    def loss_and_map(
        self, inputs: Sequence[Tensor], batch_data_samples: SampleList
    ) -> tuple[dict[str, Tensor], Tensor]:
        """The losses, and what ``forward`` gives for the same inputs, from one pass."""
        output = self(inputs)
        return self.loss_by_feat(output, batch_data_samples), output

    def loss(
        self, inputs: Sequence[Tensor], batch_data_samples: SampleList, train_cfg: dict | None
    ) -> dict[str, Tensor]:
        return self.loss_and_map(inputs, batch_data_samples)[0]

    def _init_inputs(
        self, in_channels: int | Sequence[int], in_index: int | Sequence[int], input_transform: str | None
    ) -> None:
        channels, indices = _as_list(in_channels), _as_list(in_index)
        if len(channels) != len(indices):
            raise ValueError(f'in_channels={in_channels}, in_index={in_index}: give one of each for every level')
        self.level_channels = channels
        super()._init_inputs(in_channels, in_index, input_transform)

    def _transform_inputs(
        self, inputs: Sequence[Tensor]
    ) -> Any:  # a map or a list of maps, as ``input_transform`` says
        indices = _as_list(self.in_index)
        if max(indices) >= len(inputs):
            raise UserError(f'decode_head.in_index={self.in_index}, but the encoder gives {len(inputs)} levels')
        channels = [inputs[index].shape[1] for index in indices]
        if channels != self.level_channels:
            raise UserError(
                f'decode_head.in_channels={self.level_channels}, but the encoder gives maps of {channels} channels'
            )
        return super()._transform_inputs(inputs)


def _as_list(x: int | Sequence[int]) -> list[int]:
    return [x] if isinstance(x, int) else list(x)
