"""A test pipeline for pictures that have no labels."""

from collections.abc import Sequence

LABEL_STEPS = {'LoadAnnotations', 'LoadLabels', 'CheckLabels'}


def without_labels(pipeline: Sequence[dict]) -> list[dict]:
    """Leave out the steps that read or check labels, those inside of test-time augmentation as well.

    Args:
        pipeline: configs of transforms; they are left as they are.
    """
    steps = []
    for step in pipeline:
        if step['type'] in LABEL_STEPS:
            continue
        if 'transforms' in step:
            parts = [without_labels(part) if isinstance(part, (list, tuple)) else part for part in step['transforms']]
            step = {**step, 'transforms': [part for part in parts if part]}
        steps.append(step)
    return steps
