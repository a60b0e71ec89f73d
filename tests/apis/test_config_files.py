"""Variables at the top of a config file: each is a key with a reader, or used by the code of the files."""

from pathlib import Path

import pytest

from scaseg.apis.config import load_config
from scaseg.errors import UserError

REPOSITORY = Path(__file__).parents[2]
QUICKSTART = REPOSITORY / 'configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'


def child(folder: Path, text: str, base: Path = QUICKSTART, name: str = 'child.py') -> Path:
    (folder / name).write_text(f"_base_ = '{base}'\n{text}\n")
    return folder / name


@pytest.mark.parametrize(
    'text, message',
    [
        ('lerning_rate = 3', r"child\.py: nothing reads the key 'lerning_rate'"),
        ('optim_wraper = dict()', r"nothing reads the key 'optim_wraper'; did you mean 'optim_wrapper'"),
        (
            'crop_size = (64, 64)',
            r"child\.py: 'crop_size' has no effect here, toyscenes_128x128\.py has already used its own; set the keys "
            r'it went into: model\.data_preprocessor\.size, .*train_dataloader\.dataset\.image_size',
        ),
        ('num_classes = 3', r"'num_classes' has no effect here, .*: model\.decode_head\.num_classes"),
        ("vis_backends = [dict(type='TensorboardVisBackend')]", r'set the keys it went into: .*\.vis_backends'),
        ('train_pipeline = []', r"'train_pipeline' has no effect .*train_dataloader\.dataset\.pipeline"),
        ('for side in (1, 2):\n    wide = side', "nothing reads the key 'wide'"),
    ],
)
def test_a_variable_without_a_reader(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        load_config(child(tmp_path, text))


def test_a_file_in_the_middle_counts_too(tmp_path: Path) -> None:
    middle = child(tmp_path, 'crop_size = (64, 64)', name='middle.py')
    with pytest.raises(UserError, match=r"middle\.py: 'crop_size' has no effect here"):
        load_config(child(tmp_path, 'model = dict(decode_head=dict(block=dict(drop_path=0.2)))', middle))


@pytest.mark.parametrize(
    'text',
    [
        'side = 64\ncrop_size = (side, side)\nmodel = dict(data_preprocessor=dict(size=crop_size))',
        'model = dict(decode_head=dict(num_classes={{_base_.num_classes}}))',
        'model = {"decode_head": {"channels": 32}}',
        'import math\nhalf = math.floor(1.5)\ntrain_cfg = dict(val_begin=half)',
    ],
)
def test_what_the_code_uses_passes(tmp_path: Path, text: str) -> None:
    load_config(child(tmp_path, text))


def test_a_child_uses_a_variable_of_its_base(tmp_path: Path) -> None:
    middle = child(tmp_path, 'wide = 32', name='middle.py')
    load_config(child(tmp_path, 'model = dict(decode_head=dict(channels=_base_.wide))', middle))


def test_the_config_that_a_run_stores_is_read_again(config: Path, tmp_path: Path) -> None:
    cfg = load_config(config)
    cfg.merge_from_dict(dict(launcher='none', work_dir=str(tmp_path), experiment_name='run'))
    assert 'crop_size' in cfg  # a variable, used up
    cfg.dump(tmp_path / 'stored.py')
    assert load_config(tmp_path / 'stored.py').model == cfg.model
