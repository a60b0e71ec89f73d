"""Hamburger: a matrix factorisation between two linear maps (arXiv 2109.04553), as SegNeXt uses it (arXiv 2209.08575).

The factorisation starts from random bases. The official code draws them at every forward, in evaluation too, so that
one checkpoint gives different results. Here evaluation takes the same ones every time; ``rand_eval=True`` is official.
"""

import torch
import torch.nn.functional as F
from mmcv.cnn import ConvModule
from mmengine.model import BaseModule
from mmseg.registry import MODELS
from torch import Tensor

from scaseg.ops import nmf


@MODELS.register_module()
class Hamburger(BaseModule):
    """1×1 convolution and ReLU, non-negative matrix factorisation, 1×1 convolution and norm, residual, ReLU.

    Args:
        channels: channels C of the map.
        rank: bases R of the factorisation.
        train_steps: updates of both factors in training.
        eval_steps: likewise in evaluation.
        rand_eval: draw the bases anew at every forward in evaluation as well.
        norm_cfg: normalisation after the second convolution; ``None`` is none.

    Attributes:
        bases: buffer (1, C, R), the bases of evaluation. They are drawn from a generator of their own, the same for
            every module of these sizes, and saved in checkpoints.

    Shape:
        (B, C, H, W) -> (B, C, H, W)

    Raises:
        ValueError: ``rank`` or a number of steps is no integer, or below 1.
    """

    bases: Tensor

    def __init__(
        self,
        channels: int,
        rank: int = 64,
        train_steps: int = 6,
        eval_steps: int = 7,
        rand_eval: bool = False,
        norm_cfg: dict | None = None,
        init_cfg: dict | None = None,
    ) -> None:
        super().__init__(init_cfg)
        for name, value in dict(rank=rank, train_steps=train_steps, eval_steps=eval_steps).items():
            if not isinstance(value, int) or value < 1:
                raise ValueError(f'{name}={value!r}: expected an integer, 1 at least')
        self.train_steps = train_steps
        self.eval_steps = eval_steps
        self.rand_eval = rand_eval
        self.ham_in = ConvModule(channels, channels, 1, act_cfg=dict(type='ReLU'))
        self.ham_out = ConvModule(channels, channels, 1, norm_cfg=norm_cfg, act_cfg=None)
        bases = torch.rand(1, channels, rank, generator=torch.Generator().manual_seed(0), device='cpu')
        self.register_buffer('bases', F.normalize(bases, dim=1))

    def forward(self, x: Tensor) -> Tensor:
        ham = self.ham_in(x).flatten(2)  # (B, C, N)
        steps = self.train_steps if self.training else self.eval_steps
        ham = nmf(ham, self._initial_bases(x.shape[0]), steps)
        return F.relu(x + self.ham_out(ham.view(x.shape)))

    def _initial_bases(self, batch: int) -> Tensor:
        if not self.training and not self.rand_eval:
            return self.bases
        _, channels, rank = self.bases.shape
        return F.normalize(torch.rand(batch, channels, rank, device=self.bases.device), dim=1)
