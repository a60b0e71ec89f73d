"""ConfusionMetric: against mmseg's IoUMetric, a slow loop, over two ranks, and its errors."""

import json
import logging
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from mmengine.dataset import DefaultSampler
from mmengine.logging import MMLogger
from mmseg.evaluation import IoUMetric
from mmseg.registry import METRICS
from PIL import Image
from torch import Tensor

from scaseg.errors import UserError
from scaseg.evaluation import ConfusionMetric, class_figures, confusion_matrix, mean_figures

CLASSES = ('sky', 'road', 'car', 'ghost', 'kite', 'tree')
NUM_SAMPLES = 5  # odd, so that two ranks cannot share them evenly


def random_samples(seed: int = 0) -> list[dict]:
    """Ignored pixels; 'ghost' (3) occurs nowhere, 'kite' (4) in predictions only."""
    generator = torch.Generator().manual_seed(seed)
    label_ids, prediction_ids = torch.tensor([0, 1, 2, 5, 255]), torch.tensor([0, 1, 2, 4, 5])
    samples = []
    for index in range(NUM_SAMPLES):
        height, width = 7 + index, 9
        pick = torch.randint(5, (2, 1, height, width), generator=generator)
        label, prediction = label_ids[pick[0]], prediction_ids[pick[1]]
        prediction = torch.where((pick[0] < 3) & (prediction != 4), label, prediction)  # right more often than not
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
    samples = random_samples(seed)
    reference = IoUMetric()
    reference.dataset_meta = {'classes': CLASSES}
    reference.process({}, samples)
    expected = reference.evaluate(size=NUM_SAMPLES)
    figures = evaluate(make_metric(), samples)
    assert set(figures) == {'mIoU', 'mAcc', 'aAcc'} == set(expected)
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
    #                        predicted 0  1  2  3
    matrix = torch.tensor([[6, 2, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0], [0, 0, 0, 0]])
    figures = class_figures(matrix)
    torch.testing.assert_close(figures.iou[:3], torch.tensor([6 / 8, 1 / 4, 0.0], dtype=torch.float64))
    torch.testing.assert_close(figures.acc[:2], torch.tensor([6 / 8, 1 / 2], dtype=torch.float64))
    assert figures.iou[3].isnan() and figures.acc[2:].isnan().all()
    assert figures.share.tolist() == [0.8, 0.2, 0.0, 0.0]
    expected = {'mIoU': 100 * (6 / 8 + 1 / 4 + 0) / 3, 'mAcc': 100 * (6 / 8 + 1 / 2) / 2, 'aAcc': 70.0}
    assert mean_figures(matrix) == pytest.approx(expected, rel=1e-12)


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
    with pytest.raises(UserError, match=r'labels/image.png.*\(4, 4\).*\(4, 5\).*LoadLabels'):
        make_metric().process({}, [sample])


def test_class_table_marks_absent_classes(log_lines: list[str]) -> None:
    evaluate(make_metric(class_table=True), random_samples())
    rows = {cells[1].strip(): [cell.strip() for cell in cells[2:5]] for cells in map(split_row, log_lines) if cells}
    assert rows['class'] == ['IoU', 'Acc', 'share of pixels']
    assert rows['ghost'] == ['absent', 'absent', '0.00']
    assert rows['kite'] == ['0.00', '-', '0.00']
    assert all(len(cell.split('.')[1]) == 2 for cell in rows['sky'])


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


def test_format_only_needs_no_labels_and_gives_no_figures(tmp_path: Path) -> None:
    sample = random_samples()[0]
    del sample['gt_sem_seg']
    assert evaluate(make_metric(format_only=True, output_dir=str(tmp_path)), [sample]) == {}
    assert (tmp_path / 'image0.png').is_file()
    with pytest.raises(UserError, match='output_dir'):
        ConfusionMetric(format_only=True)


def test_a_prefix_is_put_before_the_names() -> None:
    assert 'val/mIoU' in evaluate(make_metric(prefix='val'), random_samples())


def test_unknown_arguments_are_errors() -> None:
    with pytest.raises(TypeError, match='iou_metrics'):
        METRICS.build({'type': 'ConfusionMetric', 'iou_metrics': ['mIoU']})
