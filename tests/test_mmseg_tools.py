"""mmsegmentation's own tools on our configs and checkpoints, and our heads in one of its configs."""

import json
import runpy
import sys
from pathlib import Path

import mmcv
import pytest
from mmengine.config import Config
from mmseg.apis import inference_model, init_model
from mmseg.visualization import SegLocalVisualizer
from PIL import Image

from tests.apis.photo_model import REPOSITORY, make_run

MMSEG = Path(mmcv.__file__).parents[1] / 'mmseg' / '.mim'

TOY_SCENES = REPOSITORY / 'configs/scaseg/scaseg_convnext-atto_1xb8-1500it_toyscenes-128x128.py'


@pytest.fixture(scope='module')
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_run(tmp_path_factory.mktemp('photos'))


@pytest.fixture
def call(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def call(tool: str, *arguments: str | Path) -> None:
        monkeypatch.chdir(tmp_path)
        SegLocalVisualizer._instance_dict.clear()  # each tool is a process of its own
        monkeypatch.setattr(sys, 'argv', [tool, *map(str, arguments)])
        monkeypatch.setenv('LOCAL_RANK', '0')
        runpy.run_path(str(MMSEG / 'tools' / tool), run_name='__main__')

    return call


def test_data_sets_are_browsed(run: Path, call, tmp_path: Path) -> None:
    config = run / 'photos.py'
    call('analysis_tools/browse_dataset.py', config, '--output-dir', tmp_path / 'one', '--not-show')
    assert len(list((tmp_path / 'one').glob('scene*.jpg'))) == 3
    two_scenes = ['--cfg-options', 'train_dataloader.dataset.size=2']
    call('misc/browse_dataset.py', TOY_SCENES, '--output-dir', tmp_path / 'two', '--not-show', *two_scenes)
    assert len(list((tmp_path / 'two').rglob('0000*.png'))) == 2


def test_a_model_is_trained_and_tested(run: Path, call, tmp_path: Path) -> None:
    config, work = run / 'photos.py', tmp_path / 'work'
    short = ['train_cfg.max_iters=2', 'train_cfg.val_interval=2']
    call('train.py', config, '--work-dir', work, '--cfg-options', *short)
    assert (work / 'iter_2.pth').is_file() and (work / 'photos.py').is_file()
    call('test.py', config, run / 'iter_6.pth', '--work-dir', work)
    (log,) = work.glob('*/[0-9]*.json')  # of the test
    assert {'mIoU', 'aAcc'} <= set(json.loads(log.read_text()))


def test_predictions_are_compared(call, tmp_path: Path) -> None:
    (tmp_path / 'out').mkdir()
    Image.new('L', (128, 128), 5).save(tmp_path / 'out' / '00000.png')
    one_scene = ['--cfg-options', 'test_dataloader.dataset.size=1']
    call('analysis_tools/confusion_matrix.py', TOY_SCENES, tmp_path / 'out', tmp_path / 'matrix', *one_scene)
    assert (tmp_path / 'matrix' / 'confusion_matrix.png').is_file()


def test_costs_are_counted(run: Path, call, capsys: pytest.CaptureFixture) -> None:
    call('analysis_tools/get_flops.py', run / 'photos.py', '--shape', '64', '64')
    assert 'Flops: ' in capsys.readouterr().out
    call('misc/print_config.py', run / 'photos.py')
    assert 'LoadImageFromFile' in capsys.readouterr().out


def test_our_head_in_a_config_of_mmseg(run: Path, tmp_path: Path) -> None:
    """The block in docs/prediction.md, with the path of the installed configs."""
    page = (REPOSITORY / 'docs' / 'prediction.md').read_text()
    block = next(text.split('```')[0] for text in page.split('```python\n') if text.startswith('_base_'))
    config = tmp_path / 'stock.py'
    config.write_text(block.replace('mmsegmentation/configs', str(MMSEG / 'configs')))
    cfg = Config.fromfile(config)
    cfg.model.data_preprocessor.pop('size')
    model = init_model(cfg, device='cpu')
    assert type(model).__name__ == 'EncoderDecoder' and type(model.decode_head).__name__ == 'SCASegHead'
    sample = inference_model(model, image_of(run))
    assert sample.pred_sem_seg.data.shape == (1, 48, 72)
    assert 0 <= sample.pred_sem_seg.data.min() <= sample.pred_sem_seg.data.max() < 150


def image_of(run: Path) -> str:
    return str(run.parent / 'images' / 'scene0.jpg')
