"""The keys at the top of a config that make networks faster or smaller, in a whole training and test."""

from pathlib import Path

import pytest
import torch

from scaseg.apis import test as evaluate
from scaseg.apis import train


def test_the_keys_of_a_config_in_training_and_test(config: Path, tmp_path: Path) -> None:
    in_training = {'channels_last': True, 'recompute_activations': True, 'default_hooks.ema.type': 'EMAHook'}
    model = train(config, tmp_path / 'run', options=in_training)
    assert hasattr(model.decode_head.blocks[0].forward, '__wrapped__')
    assert model.decode_head.conv_seg.weight.is_contiguous(memory_format=torch.channels_last)
    best = next((tmp_path / 'run').glob('best_mIoU_*.pth'))
    assert 'ema_state_dict' in torch.load(tmp_path / 'run' / 'iter_6.pth', weights_only=False)
    in_test = {'channels_last': True, 'fold_conv_bn': True}
    scores = [evaluate(config, best, tmp_path / 'test', options=given)['mIoU'] for given in ({}, in_test)]
    assert scores[1] == pytest.approx(scores[0], abs=0.5)


def test_a_training_with_averaged_weights_resumes(config: Path, tmp_path: Path) -> None:
    average = {'default_hooks.ema.type': 'EMAHook'}
    train(config, tmp_path / 'run', options=average | {'train_cfg.max_iters': 3})
    train(config, tmp_path / 'run', resume='auto', options=average)
    checkpoint = torch.load(tmp_path / 'run' / 'iter_6.pth', weights_only=False)
    assert checkpoint['ema_state_dict']['steps'] == 6
