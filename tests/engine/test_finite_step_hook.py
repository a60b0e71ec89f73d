"""No step on a loss or gradient that is not finite; what was wrong is said."""

from pathlib import Path

import pytest
import torch
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.runner import Runner
from mmengine.structures import PixelData
from mmseg.structures import SegDataSample
from torch import Tensor, nn

from scaseg.engine import FiniteStepHook
from scaseg.engine.finite_step_hook import SKIPPED
from scaseg.errors import UserError


class Root(nn.Module):
    """Square root: not a number below 0, an infinite gradient at 0."""

    def forward(self, x: Tensor) -> Tensor:
        return x.sqrt()


class Net(BaseModel):
    """A normalised image times a weight, from which the root is taken."""

    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.BatchNorm2d(1)
        self.weight = nn.Parameter(torch.tensor(1.0))
        self.root = Root()

    def forward(self, inputs: list[Tensor], data_samples: list[SegDataSample], mode: str) -> dict[str, Tensor]:
        x = self.norm(torch.stack(inputs))
        return dict(
            loss_size=(x * self.weight).square().mean(), loss_root=self.root(torch.stack(inputs)).mean(), acc=x
        )


def batch(value: float) -> dict[str, list]:
    sample = SegDataSample(gt_sem_seg=PixelData(data=torch.zeros(1, 4, 4)), metainfo=dict(img_path=f'{value}.png'))
    return dict(inputs=[torch.full((1, 4, 4), value) + torch.eye(4)], data_samples=[sample])


class Batches(torch.utils.data.Dataset):
    """One batch for each value; the root of the input is taken, which has to be above 0."""

    def __init__(self, values: list[float]) -> None:
        self.values = values

    def __len__(self) -> int:
        return len(self.values)

    def __getitem__(self, index: int) -> dict[str, list]:
        return batch(self.values[index])


def run(
    tmp_path: Path, values: list[float], max_skips: int = 0, accumulative_counts: int = 1, model: Net | None = None
) -> Runner:
    model = model or Net()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.1)
    runner = Runner(
        model,
        str(tmp_path),
        train_dataloader=torch.utils.data.DataLoader(Batches(values), collate_fn=lambda samples: samples[0]),
        train_cfg=dict(by_epoch=False, max_iters=len(values)),
        optim_wrapper=OptimWrapper(optimizer, accumulative_counts=accumulative_counts),
        default_hooks=dict(checkpoint=None),
        custom_hooks=[FiniteStepHook(max_skips)],
        default_scope='mmseg',
        experiment_name=tmp_path.name,
    )
    runner.train()
    return runner


def state(runner: Runner) -> dict[str, Tensor]:
    return runner.model.state_dict()


def test_the_loss_module_and_image_of_a_fault_are_named(tmp_path: Path) -> None:
    with pytest.raises(UserError) as caught:
        run(tmp_path, [1.0, 2.0, -5.0])
    message = str(caught.value)
    assert message.startswith('iteration 3: the loss is not finite (loss_size 0.')
    assert 'loss_root nan); the first module with such an output is root (Root); images: -5.0.png' in message
    assert 'default_hooks.finite_step.max_skips' in message


def test_the_batch_of_a_fault_is_kept_with_the_weights_before_it(tmp_path: Path) -> None:
    model = Net()
    with pytest.raises(UserError):
        run(tmp_path, [1.0, -5.0], model=model)
    record = torch.load(tmp_path / 'fault_iter_2.pth', weights_only=True)
    assert record['images'] == ['-5.0.png']
    assert torch.equal(record['inputs'][0], batch(-5.0)['inputs'][0])
    for name, x in run(tmp_path / 'one', [1.0]).model.state_dict().items():
        assert torch.equal(record['state_dict'][name], x), name
        assert torch.equal(model.state_dict()[name], x), name


def test_a_step_that_is_left_out_changes_nothing(tmp_path: Path) -> None:
    skipped = run(tmp_path / 'a', [1.0, -5.0, 2.0], max_skips=1)
    clean = run(tmp_path / 'b', [1.0, 2.0])
    for name, x in state(clean).items():
        assert torch.equal(state(skipped)[name], x), name
    assert skipped.message_hub.get_info(SKIPPED) == 1
    assert 'step left out (1 of at most 1)' in next(tmp_path.glob('a/*/*.log')).read_text()


def test_the_limit_of_skips_ends_the_training(tmp_path: Path) -> None:
    with pytest.raises(UserError, match='iteration 4'):
        run(tmp_path, [1.0, -5.0, 2.0, -5.0, 2.0], max_skips=1)


def test_the_culprit_among_accumulated_batches_is_named(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'iteration 4: .* images: -5\.0\.png'):
        run(tmp_path, [1.0, 2.0, -5.0, 3.0], accumulative_counts=2)


def test_a_gradient_alone_may_be_broken(tmp_path: Path) -> None:
    model = Net()
    model.norm.register_parameter('bias', nn.Parameter(torch.zeros(1)))
    model.norm.bias.register_hook(lambda gradient: gradient / 0)
    with pytest.raises(UserError, match=r'the gradient is not finite in 1 parameters, the last of them norm\.bias'):
        run(tmp_path, [1.0], model=model)


def test_images_that_are_not_finite_are_told_from_weights(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'the images that the model is given are not finite \(nan\.png\)'):
        run(tmp_path, [float('nan')])


def test_nothing_stays_behind(tmp_path: Path) -> None:
    runner = run(tmp_path, [1.0, 2.0])
    assert not runner.model._forward_hooks
    assert not runner.optim_wrapper.optimizer._optimizer_step_pre_hooks
    assert not list(tmp_path.glob('fault*'))
