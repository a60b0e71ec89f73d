"""``class_weights = 'median_frequency'``: weights of the classes from the labels, for every loss that takes them."""

import inspect

from mmengine.config import Config
from mmengine.dataset import ConcatDataset
from mmengine.logging import print_log
from mmseg.registry import DATASETS, MODELS

from scaseg.datasets.inspection import SplitFacts
from scaseg.datasets.label_counts import count_labels
from scaseg.errors import UserError

from .checks import leaf_datasets
from .data_override import dicts

KINDS = ('median_frequency', 'effective_number')


def apply_class_weights(cfg: Config) -> None:
    """Give every loss of the heads that has an argument ``class_weight`` the weights that ``class_weights`` names.

    All label files of the training are read. A class that does not occur gets the weight 1. A loss whose
    ``class_weight`` is set keeps it.

    Raises:
        UserError: the key names no kind of weights, the labels cannot be read, or no loss takes weights.
    """
    kind = cfg.get('class_weights')
    if kind is None:
        return
    if kind not in KINDS:
        raise UserError(f'{cfg.filename}: class_weights={kind!r}: choose {" or ".join(KINDS)}')
    losses = [
        node
        for head in ('decode_head', 'auxiliary_head')
        for _, node in dicts(head, cfg.model.get(head))
        if _takes_weights(node) and node.get('class_weight') is None
    ]
    if not losses:
        raise UserError(f'{cfg.filename}: class_weights={kind!r}, but no loss of the heads takes class weights')
    leaves = [leaf for _, leaf in leaf_datasets('', cfg.train_dataloader.dataset)]
    parts = [DATASETS.build(dict(leaf, pipeline=[])) for leaf in leaves]
    dataset = parts[0] if len(parts) == 1 else ConcatDataset(parts)
    counts = count_labels(dataset)
    facts = SplitFacts('train', tuple(dataset.metainfo['classes']))
    facts.pixels, facts.files, facts.labelled_files = counts.sum(0), (counts > 0).sum(0), len(counts)
    weights = facts.median_frequency_weights() if kind == KINDS[0] else facts.effective_number_weights()
    rounded = [1.0 if weight != weight else round(float(weight), 4) for weight in weights]
    for node in losses:
        node['class_weight'] = rounded
    print_log(f'class_weights={kind}: {dict(zip(facts.classes, rounded, strict=True))}', 'current')


def _takes_weights(node: dict) -> bool:
    kind = MODELS.get(node['type']) if isinstance(node.get('type'), str) else node.get('type')
    return inspect.isclass(kind) and 'class_weight' in inspect.signature(kind.__init__).parameters
