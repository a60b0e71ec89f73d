"""The first errors a newcomer meets: each names the file or the key and what to do, and destroys nothing."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from mmseg.registry import DATASETS
from PIL import Image

from scaseg.apis import test as evaluate
from scaseg.apis import train
from scaseg.apis.checkpoint import load_weights
from scaseg.apis.checks import check_data, check_device, leaf_datasets
from scaseg.apis.cli import _message, config_parser
from scaseg.apis.config import load_config
from scaseg.datasets import with_checked_loaders
from scaseg.errors import UserError

REPOSITORY = Path(__file__).parents[2]
ADE = REPOSITORY / 'configs/scaseg/scaseg_mit-b0_8xb2-160k_ade20k-512x512.py'
VOC = REPOSITORY / 'configs/scaseg/scaseg_mit-b0_8xb2-80k_voc12aug-512x512.py'


def make_ade(root: Path, label: int = 1) -> None:
    for split in ('training', 'validation'):
        for folder in ('images', 'annotations'):
            (root / folder / split).mkdir(parents=True)
        Image.fromarray(np.zeros((40, 60, 3), np.uint8)).save(root / 'images' / split / 'a.jpg')
        Image.fromarray(np.full((40, 60), label, np.uint8)).save(root / 'annotations' / split / 'a.png')


def no_network(*args: object, **kwargs: object) -> None:
    raise OSError('no network')


def at(root: Path) -> dict:
    return {f'{loader}.dataset.data_root': str(root) for loader in ('train_dataloader', 'val_dataloader')}


@pytest.mark.parametrize(
    'options, message',
    [
        (
            {'mdoel.pretrained': None},
            r"--cfg-options mdoel\.pretrained: .* has no key 'mdoel'; did you mean 'model'",
        ),
        ({'num_classes': 9}, r"'num_classes' was only used while .* was read; set .*decode_head\.num_classes"),
        ({'optim_wrapper.paramwise_cfg.custom_keys.decode_head.lr_mul': 2.0}, r"decode_head: unknown \['lr_mul'\]"),
        ({'model.decode_head.num_classes': '10'}, r"num_classes='10': SCASegHead expects an integer"),
        ({'model.decode_head.block.ffn.ratio': -1.0}, r'tiny\.py: '),
        ({'param_scheduler.9.end': 4}, r'--cfg-options param_scheduler\.9\.end'),
        (
            {'model.decode_head.type': 'SCASegHed'},
            r"model\.decode_head\.type='SCASegHed' is not registered.*SCASegHead",
        ),
        (
            {'train_dataloader.dataset.pipeline': [dict(type='CheckLabels', num_classes=12)]},
            r'train_dataloader\.dataset\.pipeline\[0\]\.num_classes=12, but train_dataloader\.dataset .* has 10',
        ),
        ({'model.decode_head.num_classes': 11}, r'num_classes=11, but train_dataloader\.dataset \(ToyScenes\) has 10'),
        ({'model.decode_head.num_heads': [1, 3, 4]}, r'in_channels\[1\]=16, num_heads\[1\]=3: .* does not divide'),
        ({'train_dataloader.persistent_workers': True}, r'persistent_workers .*num_workers'),
        ({'model.decode_head.strides': [2, 4, 8]}, r'decode_head\.strides=\[2, 4, 8\], but the encoder gives \[4, 8'),
        ({'model.backbone.model_name': 'convnext_ato'}, 'timm has no such model'),
        ({'model.pretrained': 'mscan-x'}, 'mscan-x'),
        ({'train_dataloader.dataset.metainfo': dict(classes=('sky', 'rode'))}, "no class 'rode'; did you mean 'road'"),
        ({'optim_wrapper.paramwise_cfg.custom_keys': dict(dekode=dict(lr_mult=2))}, 'dekode'),
        ({'load_from': 'nowhere/iter_1.pth'}, r'nowhere/iter_1\.pth: no such checkpoint'),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else '',
)
def test_a_config_that_cannot_work(config: Path, tmp_path: Path, options: dict, message: str) -> None:
    with pytest.raises(UserError, match=message):
        train(config, work_dir=tmp_path / 'run', options=options)


def test_no_such_config(tmp_path: Path) -> None:
    with pytest.raises(UserError, match=r'gone\.py: no such config file'):
        load_config(tmp_path / 'gone.py')


def test_a_config_that_does_not_parse(tmp_path: Path) -> None:
    (tmp_path / 'broken.py').write_text('model = dict(\n')
    with pytest.raises(UserError, match=r'broken\.py: this config cannot be read: SyntaxError'):
        load_config(tmp_path / 'broken.py')


@pytest.mark.parametrize('path, folder', [(ADE, 'images/training'), (VOC, 'VOC2012')])
def test_missing_data_names_folder_and_remedy(
    path: Path, folder: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=rf'(?s)train_dataloader\.dataset.*{folder}.*docs/datasets\.md'):
        train(path, work_dir=tmp_path / 'run', options={'model.pretrained': None})


def test_images_of_another_kind(tmp_path: Path) -> None:
    make_ade(tmp_path)
    for path in tmp_path.rglob('*.jpg'):
        path.rename(path.with_suffix('.bmp'))
    with pytest.raises(UserError, match=r'no image \*\.jpg in .*images/training'):
        train(ADE, work_dir=tmp_path / 'run', options=at(tmp_path) | {'model.pretrained': None})


def test_scenes_without_files_need_no_folder(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / 'empty').mkdir()
    monkeypatch.chdir(tmp_path / 'empty')
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 1})


@pytest.mark.parametrize('suffix', ['.png', '.jpg'])
def test_camvid_comes_as_png_or_jpeg(tmp_path: Path, suffix: str) -> None:
    for folder, kind in (('train', suffix), ('val', suffix), ('trainannot', '.png'), ('valannot', '.png')):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.zeros((8, 8), np.uint8)).save(tmp_path / folder / f'a{kind}')
    cfg = load_config(
        REPOSITORY / 'configs/scaseg/scaseg_efficientnet-lite0_1xb8-1500it_camvid-288x288.py', at(tmp_path)
    )
    check_data(cfg, ['train_dataloader', 'val_dataloader'])


def test_an_image_without_a_label_is_found_before_training(tmp_path: Path) -> None:
    make_ade(tmp_path)
    (tmp_path / 'annotations/validation/a.png').unlink()
    with pytest.raises(
        UserError, match=r'val_dataloader\.dataset: 1 of 1 images have no label \*\.png in .* first is a'
    ):
        check_data(load_config(ADE, at(tmp_path)), ['train_dataloader', 'val_dataloader'])


def test_files_are_listed_as_the_data_set_lists_them(tmp_path: Path) -> None:
    """Folders that are links count, hidden files do not."""
    make_ade(tmp_path / 'elsewhere')
    for kind in ('images', 'annotations'):
        for split in ('training', 'validation'):
            (tmp_path / kind / split).mkdir(parents=True)
            (tmp_path / kind / split / 'part').symlink_to(tmp_path / 'elsewhere' / kind / split)
    (tmp_path / 'images/training/._a.jpg').touch()
    cfg = load_config(ADE, at(tmp_path))
    check_data(cfg, ['train_dataloader', 'val_dataloader'])
    assert len(DATASETS.build(cfg.train_dataloader.dataset)) == 1


def test_an_image_one_pixel_high(tmp_path: Path) -> None:
    make_ade(tmp_path)
    for path in tmp_path.rglob('a.*'):
        Image.open(path).resize((3, 1)).save(path)
    dataset = with_checked_loaders(load_config(ADE, at(tmp_path)).val_dataloader.dataset)
    assert DATASETS.build(dataset)[0]['data_samples'].gt_sem_seg.data.shape == (1, 1, 3)


@pytest.mark.parametrize('kind', ['images', 'annotations'])
@pytest.mark.parametrize('content', [b'', b'\xff\xd8\xff junk', None], ids=['empty', 'junk', 'missing'])
def test_a_file_that_cannot_be_read_is_named(tmp_path: Path, kind: str, content: bytes | None) -> None:
    make_ade(tmp_path)
    path = next((tmp_path / kind / 'training').iterdir())
    if content is not None:
        path.write_bytes(content)
    elif kind == 'annotations':
        path.unlink()
    else:
        path.rename(path.with_name('b.jpg'))  # an image without its label
        path = tmp_path / 'annotations/training/b.png'
    dataset = with_checked_loaders(load_config(ADE, at(tmp_path)).train_dataloader.dataset)
    with pytest.raises(UserError, match=rf'{path.name}: this (image|label map) cannot be read'):
        DATASETS.build(dataset)[0]


def test_an_empty_list_of_images(tmp_path: Path) -> None:
    for folder in ('JPEGImages', 'SegmentationClass', 'SegmentationClassAug', 'ImageSets/Segmentation'):
        (tmp_path / folder).mkdir(parents=True)
    for name in ('train', 'aug', 'val'):
        (tmp_path / f'ImageSets/Segmentation/{name}.txt').touch()
    cfg = load_config(VOC)
    for _, dataset in leaf_datasets('', cfg.train_dataloader.dataset):
        dataset['data_root'] = str(tmp_path)
    with pytest.raises(UserError, match=r'train\.txt names no image'):
        check_data(cfg, ['train_dataloader'])


def test_images_left_out_are_counted(tmp_path: Path, capfd: pytest.CaptureFixture) -> None:
    make_ade(tmp_path)
    for name in ('b.JPG', 'c.jpeg'):
        (tmp_path / 'images/training' / name).touch()
    check_data(load_config(ADE, at(tmp_path)), ['train_dataloader'])
    assert 'train_dataloader.dataset: 2 images of' in ''.join(capfd.readouterr())


def test_a_link_that_leads_back_is_one_line(tmp_path: Path) -> None:
    make_ade(tmp_path)
    (tmp_path / 'images/training/again').symlink_to(tmp_path / 'images')
    with pytest.raises(UserError, match=r'images/training/again links to'):
        check_data(load_config(ADE, at(tmp_path)), ['train_dataloader'])


def test_label_ids_out_of_range_name_the_file_across_workers(tmp_path: Path) -> None:
    make_ade(tmp_path, label=200)
    with pytest.raises(UserError) as caught:
        train(ADE, work_dir=tmp_path / 'run', options=at(tmp_path) | {'model.pretrained': None})
    message = _message(caught.value)
    assert 'annotations/training/a.png' in message
    assert 'Traceback' not in message


@pytest.mark.parametrize('damaged', [True, False], ids=['damaged', 'missing'])
def test_encoder_weights_say_where_to_put_them(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, damaged: bool) -> None:
    make_ade(tmp_path)
    if damaged:
        (tmp_path / 'mit-b0.pth').write_bytes(b'not a checkpoint')
    monkeypatch.setenv('SCASEG_PRETRAINED', str(tmp_path))
    monkeypatch.setattr('torch.hub.download_url_to_file', no_network)
    message = (
        r'mit-b0\.pth is truncated' if damaged else r"pretrained 'mit-b0': none of .*By hand: save .*pretrained=None"
    )
    with pytest.raises(UserError, match=message):
        train(ADE, work_dir=tmp_path / 'run', options=at(tmp_path))


@pytest.mark.parametrize('content', [None, b'', b'PK\x03\x04 cut off'], ids=['missing', 'empty', 'truncated'])
def test_a_checkpoint_that_cannot_be_read(config: Path, tmp_path: Path, content: bytes | None) -> None:
    path = tmp_path / 'model.pth'
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r'model\.pth'):
        evaluate(config, path, work_dir=tmp_path / 'test')


def test_a_missing_checkpoint_shows_its_neighbours(config: Path, tmp_path: Path) -> None:
    (tmp_path / 'iter_6.pth').touch()
    with pytest.raises(UserError, match=r'iter_7\.pth: no such checkpoint; .*iter_6\.pth'):
        evaluate(config, tmp_path / 'iter_7.pth', work_dir=tmp_path / 'test')


def test_a_checkpoint_of_another_model(tmp_path: Path) -> None:
    model, other = torch.nn.Conv2d(3, 8, 1), torch.nn.Conv2d(3, 9, 1, bias=False)
    torch.save({'state_dict': other.state_dict()}, tmp_path / 'other.pth')
    before = model.weight.clone()
    with pytest.raises(UserError, match=r'1 missing \(bias\); 1 of another shape \(weight \(9, 3, 1, 1\) for \(8, 3'):
        load_weights(model, tmp_path / 'other.pth')
    assert torch.equal(model.weight, before)


@pytest.mark.skipif(torch.cuda.is_available(), reason='needs a machine without a GPU')
def test_a_gpu_that_is_not_there(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UserError, match=r'--amp.* needs a GPU'):
        train(config, work_dir=tmp_path / 'run', amp=True)
    with pytest.raises(UserError, match=r'--launcher pytorch is set by tools/dist_train\.sh'):
        train(config, work_dir=tmp_path / 'run', launcher='pytorch')
    with pytest.raises(UserError, match='slurm needs GPUs'):
        train(config, work_dir=tmp_path / 'run', launcher='slurm')
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', 'NoDevFiles')  # what a cluster writes for a node without GPUs
    check_device(load_config(config, {'launcher': 'none'}))
    monkeypatch.setenv('CUDA_VISIBLE_DEVICES', '0')
    with pytest.raises(UserError, match='CUDA_VISIBLE_DEVICES=0 asks for a GPU'):
        train(config, work_dir=tmp_path / 'run')


@pytest.mark.parametrize('option', ['model.pretrained', 'a=[1,2', "a=[dict(type='EMAHook',momentum=0.1)]"])
def test_an_option_that_cannot_be_read(option: str, capsys: pytest.CaptureFixture) -> None:
    with pytest.raises(SystemExit):
        config_parser('').parse_args(['config.py', '--cfg-options', option])
    assert f'--cfg-options {option}: ' in capsys.readouterr().err


@pytest.mark.parametrize('output', ['out', 'show_dir'])
def test_an_output_folder_that_cannot_be_made(config: Path, tmp_path: Path, output: str) -> None:
    (tmp_path / 'file').touch()
    with pytest.raises(UserError, match=r'--(out|show-dir): the folder .*file/x cannot be made'):
        evaluate(config, tmp_path / 'none.pth', **{output: tmp_path / 'file/x'})


def test_a_sampler_that_repeats_images(config: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr('mmengine.dataset.sampler.get_dist_info', lambda: (0, 2))
    options = {'test_dataloader.sampler.round_up': True}
    with pytest.raises(
        UserError, match=r'test_dataloader\.sampler: 1 of 3 images would be seen twice.*round_up=False'
    ):
        evaluate(config, tmp_path / 'none.pth', tmp_path / 'run', options=options)


def test_a_work_folder_that_cannot_be_made(config: Path, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    for folder in (tmp_path / 'file', tmp_path / 'file' / 'run'):
        with pytest.raises(UserError, match=r'--work-dir=.*/file is no folder'):
            train(config, work_dir=folder)
    (tmp_path / 'dangling').symlink_to(tmp_path / 'gone')
    for name, problem in (('dangling', 'dangling is no folder'), ('a' * 300, 'File name too long')):
        with pytest.raises(UserError, match=f'--work-dir=.*{problem}'):
            train(config, work_dir=tmp_path / name)
    with pytest.raises(UserError, match=r'tiny\.py: work_dir=.*/file is no folder'):
        evaluate(config, 'none.pth', options=dict(work_dir=str(tmp_path / 'file')))


def test_tools_print_one_line_and_exit_with_2(tmp_path: Path) -> None:
    command = [sys.executable, 'tools/train.py', str(tmp_path / 'gone.py')]
    done = subprocess.run(command, cwd=REPOSITORY, capture_output=True, text=True)
    assert done.returncode == 2
    assert done.stderr.splitlines() == [f'error: {tmp_path / "gone.py"}: no such config file']


def test_an_error_leaves_an_earlier_run_alone(config: Path, tmp_path: Path) -> None:
    train(config, work_dir=tmp_path / 'run', options={'train_cfg.max_iters': 3})
    before = {path: path.stat().st_mtime_ns for path in (tmp_path / 'run').rglob('*') if path.is_file()}
    with pytest.raises(UserError):
        train(config, work_dir=tmp_path / 'run', options={'model.decode_head.num_classes': 3})
    assert {path: path.stat().st_mtime_ns for path in before} == before
