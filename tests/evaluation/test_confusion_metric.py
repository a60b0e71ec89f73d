"""ConfusionMetric: against mmseg's IoUMetric, a slow loop, over two ranks, and its errors."""

import csv
import json
import logging
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.config import Config
from mmengine.dataset import DefaultSampler
from mmengine.logging import MMLogger
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image
from sklearn.metrics import confusion_matrix as sklearn_matrix
from torch import Tensor

from scaseg.errors import UserError
from scaseg.evaluation import (
    ConfusionMetric,
    class_figures,
    confusion_matrix,
    load_image_matrices,
    mean_figures,
)

REPOSITORY = Path(__file__).parents[2]
CLASSES = ('sky', 'road', 'car', 'ghost', 'kite', 'tree')
NUM_SAMPLES = 5  # odd, so that two ranks cannot share them evenly


def random_samples(seed: int = 0, kites_in_truth: bool = False) -> list[dict]:
    """Ignored pixels; 'ghost' (3) occurs nowhere, 'kite' (4) in predictions only or in both."""
    generator = torch.Generator().manual_seed(seed)
    label_ids, prediction_ids = torch.tensor([0, 1, 2, 5, 255]), torch.tensor([0, 1, 2, 4, 5])
    samples = []
    for index in range(NUM_SAMPLES):
        height, width = 7 + index, 9
        pick = torch.randint(5, (2, 1, height, width), generator=generator)
        label, prediction = label_ids[pick[0]], prediction_ids[pick[1]]
        prediction = torch.where((pick[0] < 3) & (prediction != 4), label, prediction)  # right more often than not
        if kites_in_truth:
            label[..., 0, :3] = 4
        samples.append(make_sample(prediction, label, name=f'image{index}'))
    return samples


def make_sample(prediction: Tensor, label: Tensor, name: str = 'image') -> dict:
    return {
        'pred_sem_seg': {'data': prediction},
        'gt_sem_seg': {'data': label},
        'img_path': f'images/{name}.jpg',
        'seg_map_path': f'labels/{name}.png',
    }


def make_metric(**kwargs) -> ConfusionMetric:
    metric = ConfusionMetric(**{'class_table': False, **kwargs})
    metric.dataset_meta = {'classes': CLASSES}
    return metric


@pytest.fixture
def log_lines() -> Iterator[list[str]]:
    """What the current MMLogger says; its propagation is off, so caplog would see nothing."""
    lines: list[str] = []
    handler = logging.Handler()
    handler.emit = lambda record: lines.extend(record.getMessage().splitlines())  # type: ignore[method-assign]
    logger = MMLogger.get_current_instance()
    logger.addHandler(handler)
    yield lines
    logger.removeHandler(handler)


def evaluate(metric: ConfusionMetric, samples: list[dict]) -> dict[str, float]:
    for sample in samples:
        metric.process({}, [sample])
    return metric.evaluate(size=len(samples))


@pytest.mark.parametrize('seed', range(3))
def test_agrees_with_iou_metric_to_its_two_decimals(seed: int) -> None:
    samples = random_samples(seed, kites_in_truth=True)
    reference = IoUMetric(iou_metrics=['mIoU', 'mDice'])
    reference.dataset_meta = {'classes': CLASSES}
    reference.process({}, samples)
    expected = reference.evaluate(size=NUM_SAMPLES)
    figures = evaluate(make_metric(), samples)
    assert set(figures) == {'mIoU', 'mAcc', 'aAcc', 'mDice', 'fwIoU'} == {*expected, 'fwIoU'}
    del figures['fwIoU']
    for name, value in figures.items():
        assert isinstance(value, float)
        assert value == pytest.approx(float(expected[name]), abs=0.00501)


def test_matrix_is_that_of_a_slow_loop() -> None:
    sample = random_samples()[0]
    prediction, label = sample['pred_sem_seg']['data'], sample['gt_sem_seg']['data']
    expected = np.zeros((6, 6), dtype=np.int64)
    for truth, predicted in zip(label.ravel().tolist(), prediction.ravel().tolist(), strict=True):
        if truth != 255:
            expected[truth, predicted] += 1
    np.testing.assert_array_equal(confusion_matrix(prediction, label, num_classes=6).numpy(), expected)


def test_small_integer_types_do_not_overflow() -> None:
    prediction, label = torch.tensor([43, 59], dtype=torch.uint8), torch.tensor([43, 58], dtype=torch.uint8)
    matrix = confusion_matrix(prediction, label, num_classes=60)
    assert matrix[43, 43] == matrix[58, 59] == 1 and matrix.sum() == 2


def test_figures_by_hand() -> None:
    """Class 2 is predicted but not in the truth, class 3 neither: both are in no mean."""
    #                        predicted 0  1  2  3
    matrix = torch.tensor([[6, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    figures = class_figures(matrix)
    torch.testing.assert_close(figures.iou[:2], torch.tensor([6 / 8, 1 / 4], dtype=torch.float64))
    torch.testing.assert_close(figures.acc[:2], torch.tensor([6 / 8, 1 / 2], dtype=torch.float64))
    torch.testing.assert_close(figures.dice[:2], torch.tensor([12 / 14, 2 / 5], dtype=torch.float64))
    assert all(figure[2:].isnan().all() for figure in (figures.iou, figures.acc, figures.dice))
    assert figures.share.tolist() == [0.8, 0.2, 0.0, 0.0]
    expected = {'mIoU': 100 * (6 / 8 + 1 / 4) / 2, 'mAcc': 100 * (6 / 8 + 1 / 2) / 2, 'aAcc': 70.0}
    expected |= {'fwIoU': 100 * (0.8 * 6 / 8 + 0.2 * 1 / 4), 'mDice': 100 * (12 / 14 + 2 / 5) / 2}
    assert mean_figures(matrix) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize('num_classes', [2, 19, 150])
def test_matrix_is_that_of_scikit_learn(num_classes: int) -> None:
    """More pixels than are counted at a time, some of them ignored."""
    label, prediction = torch.randint(num_classes, (2, 301, 487))
    label[:40, 17:] = 255
    counted = label != 255
    expected = sklearn_matrix(label[counted], prediction[counted], labels=range(num_classes))
    found = confusion_matrix(prediction, label.to(torch.uint8), num_classes)
    np.testing.assert_array_equal(found.numpy(), expected)


def test_figures_are_those_of_cityscapesscripts() -> None:
    """Its table of ids and its scores, on label maps of the 34 ids; runs where the package is installed."""
    labels = pytest.importorskip('cityscapesscripts.helpers.labels')
    script = pytest.importorskip('cityscapesscripts.evaluation.evalPixelLevelSemanticLabeling')
    ids = [labels.trainId2label[index].id for index in range(19)]
    cfg = Config.fromfile(REPOSITORY / 'configs/_base_/datasets/cityscapes_1024x1024.py')
    assert cfg.test_evaluator.label_ids == ids
    label, prediction = torch.randint(19, (2, 120, 160)).where(torch.rand(2, 120, 160) > 0.5, 3)
    label[:20] = 255
    official = script.generateMatrix(script.args)
    truth = np.where(label == 255, 0, np.asarray(ids)[label.clamp(max=18)]).astype(np.int64)  # id 0 is "unlabeled"
    for row, column in zip(truth.ravel(), np.asarray(ids)[prediction].ravel(), strict=True):
        official[row, column] += 1
    matrix = confusion_matrix(prediction, label, 19)
    np.testing.assert_array_equal(matrix.numpy(), official[np.ix_(ids, ids)])
    expected = [script.getIouScoreForLabel(index, official, script.args) for index in ids]
    np.testing.assert_allclose(class_figures(matrix).iou.numpy(), expected, rtol=1e-12)


def test_the_figures_of_one_evaluation_do_not_reach_the_next() -> None:
    metric = make_metric()
    first, again = evaluate(metric, random_samples(0)), evaluate(metric, random_samples(0))
    assert first == again


def evaluate_on_one_of_two_ranks(rank: int, folder: str) -> None:
    """Body of a process: both kinds of sampler, and a data set with fewer samples than ranks."""
    store = Path(folder) / 'store'
    torch.distributed.init_process_group('gloo', init_method=f'file://{store}', rank=rank, world_size=2)
    samples = random_samples()
    outcome: dict[str, object] = {}
    for name, num_samples, round_up in (('exact', 5, False), ('padded', 5, True), ('idle rank', 1, False)):
        sampler = DefaultSampler(samples[:num_samples], shuffle=False, round_up=round_up)
        metric = make_metric()
        metric.process({}, [samples[index] for index in sampler])
        try:
            outcome[name] = metric.evaluate(size=num_samples)
        except UserError as error:
            outcome[name] = str(error)
    (Path(folder) / f'rank{rank}.json').write_text(json.dumps(outcome))
    torch.distributed.destroy_process_group()


def test_two_ranks(tmp_path: Path) -> None:
    torch.multiprocessing.spawn(evaluate_on_one_of_two_ranks, (str(tmp_path),), nprocs=2)
    outcomes = [json.loads((tmp_path / f'rank{rank}.json').read_text()) for rank in range(2)]
    assert outcomes[0] == outcomes[1]
    assert outcomes[0]['exact'] == evaluate(make_metric(), random_samples())
    assert outcomes[0]['idle rank'] == evaluate(make_metric(), random_samples()[:1])
    assert 'round_up=False' in outcomes[0]['padded'] and '6 samples' in outcomes[0]['padded']


def test_missing_samples_are_an_error() -> None:
    metric = make_metric()
    metric.process({}, random_samples()[:3])
    with pytest.raises(UserError, match='3 samples were evaluated, the data set has 5'):
        metric.evaluate(size=5)


def test_nothing_to_evaluate_is_an_error() -> None:
    with pytest.raises(UserError, match='0 samples were evaluated'):
        make_metric().evaluate(size=5)
    ignored = make_sample(torch.zeros(1, 4, 4, dtype=torch.int64), torch.full((1, 4, 4), 255))
    with pytest.raises(UserError, match='every label is 255'):
        evaluate(make_metric(), [ignored])


@pytest.mark.parametrize(('prediction', 'label', 'what'), [(6, 0, 'prediction'), (0, 254, 'label')])
def test_ids_beyond_the_classes_name_the_file(prediction: int, label: int, what: str) -> None:
    sample = make_sample(torch.full((1, 2, 2), prediction), torch.full((1, 2, 2), label))
    with pytest.raises(
        UserError, match=rf'labels/image.png: the {what} holds class id {prediction or label}.* 6 classes'
    ):
        make_metric().process({}, [sample])


def test_sizes_that_differ_point_to_the_pipeline() -> None:
    sample = make_sample(torch.zeros(1, 4, 4, dtype=torch.int64), torch.zeros(1, 4, 5, dtype=torch.int64))
    with pytest.raises(UserError, match=r'labels/image.png.*\(4, 4\).*\(4, 5\).*LoadAnnotations'):
        make_metric().process({}, [sample])


def test_class_table_marks_absent_classes(log_lines: list[str]) -> None:
    evaluate(make_metric(class_table=True), random_samples())
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:6]] for cells in map(split_row, log_lines) if cells}
    assert rows['class'] == ['IoU', 'Acc', 'Dice', 'share of pixels']
    assert rows['ghost'] == rows['kite'] == ['absent', 'absent', 'absent', '0.00']
    assert all(len(cell.split('.')[1]) == 2 for cell in rows['sky'])
    assert re.fullmatch(r'Not in the truth, in no mean: ghost, kite \(predicted for \d+ pixels\)', log_lines[-1])


def split_row(line: str) -> list[str]:
    return line.split('|') if line.startswith('|') else []


def test_class_table_can_be_turned_off(log_lines: list[str]) -> None:
    evaluate(make_metric(class_table=False), random_samples())
    assert not log_lines


def test_output_dir_takes_label_maps(tmp_path: Path) -> None:
    samples = random_samples()[:2]
    samples[1]['reduce_zero_label'] = True
    evaluate(make_metric(output_dir=str(tmp_path / 'maps')), samples)
    for index, offset in ((0, 0), (1, 1)):
        saved = np.array(Image.open(tmp_path / 'maps' / f'image{index}.png'))
        np.testing.assert_array_equal(saved, samples[index]['pred_sem_seg']['data'][0].numpy() + offset)


def test_output_dir_takes_the_ids_of_a_benchmark_and_a_palette(tmp_path: Path) -> None:
    sample = random_samples()[0]
    ids, colours = [7, 8, 11, 33, 0, 255], [[index, 2 * index, 3 * index] for index in range(6)]
    metric = make_metric(output_dir=str(tmp_path), label_ids=ids, palette=True)
    metric.dataset_meta['palette'] = colours
    evaluate(metric, [sample])
    saved, prediction = Image.open(tmp_path / 'image0.png'), sample['pred_sem_seg']['data'][0]
    np.testing.assert_array_equal(np.array(saved), np.asarray(ids)[prediction])
    np.testing.assert_array_equal(np.array(saved.convert('RGB')), np.asarray(colours)[prediction])
    with pytest.raises(UserError, match='label_ids of ConfusionMetric: 2 ids for 6 classes'):
        make_metric(output_dir=str(tmp_path), label_ids=[1, 2]).process({}, [sample])


def test_the_matrix_as_csv_and_picture(tmp_path: Path) -> None:
    samples = random_samples()
    evaluate(make_metric(matrix_dir=str(tmp_path)), samples)
    with (tmp_path / 'confusion.csv').open(newline='') as file:
        header, *rows = csv.reader(file)
    assert header == ['truth', *CLASSES] and [row[0] for row in rows] == list(CLASSES)
    pairs = [(sample['pred_sem_seg']['data'], sample['gt_sem_seg']['data']) for sample in samples]
    expected = sum(confusion_matrix(*pair, num_classes=6) for pair in pairs)
    np.testing.assert_array_equal(np.asarray([row[1:] for row in rows], dtype=np.int64), expected)
    assert Image.open(tmp_path / 'confusion.png').width > 300


def test_the_iou_of_each_class_unrounded() -> None:
    samples = random_samples()
    figures = evaluate(make_metric(per_class=True), samples)
    of_classes = {name: value for name, value in figures.items() if name.startswith('IoU/')}
    assert list(of_classes) == ['IoU/sky', 'IoU/road', 'IoU/car', 'IoU/tree'], 'those in the truth'
    assert np.mean(list(of_classes.values())) == pytest.approx(figures['mIoU'], rel=1e-12)


def test_format_only_needs_no_labels_and_gives_no_figures(tmp_path: Path) -> None:
    sample = random_samples()[0]
    del sample['gt_sem_seg']
    assert evaluate(make_metric(format_only=True, output_dir=str(tmp_path)), [sample]) == {}
    assert (tmp_path / 'image0.png').is_file()
    with pytest.raises(UserError, match='output_dir'):
        ConfusionMetric(format_only=True)


def test_a_prefix_is_put_before_the_names() -> None:
    assert 'val/mIoU' in evaluate(make_metric(prefix='val'), random_samples())


@pytest.mark.parametrize(
    'settings, message',
    [
        (dict(boundary=-1), 'boundary=-1: expected a share of the diagonal'),
        (dict(label_ids=[0, 256]), r'label_ids=\[0, 256\]: a PNG label map holds ids 0 to 255'),
        (dict(matrix_dir='{folder}/file'), 'matrix_dir of ConfusionMetric: the folder .*file cannot be made'),
        (dict(output_dir='{folder}/file/x'), 'output_dir of ConfusionMetric: the folder .*file/x cannot be made'),
        (dict(format_only=True), 'format_only=True saves predictions, so it needs an output_dir'),
    ],
    ids=['boundary', 'label_ids', 'matrix_dir', 'output_dir', 'format_only'],
)
def test_what_cannot_be_evaluated_is_known_before(settings: dict, message: str, tmp_path: Path) -> None:
    (tmp_path / 'file').touch()
    settings = {k: v.format(folder=tmp_path) if isinstance(v, str) else v for k, v in settings.items()}
    with pytest.raises(UserError, match=message):
        ConfusionMetric(**settings)


def test_one_name_for_two_images_of_two_processes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    metric = make_metric(output_dir=str(tmp_path))
    metric.process({}, random_samples()[:1])
    monkeypatch.setattr('scaseg.evaluation.confusion_metric.all_gather_object', lambda saved: [saved, saved])
    with pytest.raises(UserError, match=r'\.png: two images of the data set have this name'):
        metric.evaluate(1)


def test_unknown_arguments_are_errors() -> None:
    with pytest.raises(TypeError, match='iou_metrics'):
        METRICS.build({'type': 'ConfusionMetric', 'iou_metrics': ['mIoU']})


def test_the_matrix_of_each_image_is_kept(tmp_path: Path) -> None:
    path, samples = tmp_path / 'new' / 'matrices.npz', random_samples()
    metric = make_metric(image_matrices=str(path))
    metric.process({}, samples[::-1])
    metric.evaluate(NUM_SAMPLES)
    kept = load_image_matrices(path)
    assert kept.images == [sample['img_path'] for sample in samples]  # in the order of their names
    assert kept.classes == list(CLASSES)
    for sample, matrix in zip(samples, kept.matrices, strict=True):
        prediction, label = sample['pred_sem_seg']['data'], sample['gt_sem_seg']['data']
        assert np.array_equal(matrix, confusion_matrix(prediction, label, len(CLASSES)).numpy())
    metric.process({}, samples)
    assert metric.evaluate(NUM_SAMPLES)['aAcc'] == pytest.approx(
        100 * kept.matrices.trace(axis1=1, axis2=2).sum() / kept.matrices.sum()
    )


def test_a_file_that_holds_no_matrices_is_named(tmp_path: Path) -> None:
    path = tmp_path / 'x.npz'
    path.write_bytes(b'PK nothing')
    with pytest.raises(UserError, match=r'x\.npz: not a file of confusion matrices'):
        load_image_matrices(path)
