"""Configs name mmseg's loaders of files, which its tools look for by name; runs here read with checked ones."""

from typing import Any

CHECKED_LOADERS = {'LoadImageFromFile': 'LoadImage', 'LoadAnnotations': 'LoadLabels'}
FILE_LOADERS = {*CHECKED_LOADERS, *CHECKED_LOADERS.values()}


def with_checked_loaders(node: Any) -> Any:
    """Replace mmseg's loaders in a config by those of ours, which name a broken file.

    ``mmseg.apis`` and mmseg's tools find ``LoadImageFromFile`` and ``LoadAnnotations`` in a pipeline by name. Configs
    therefore keep these names, and every data loader that ``QuietRunner`` builds goes through here.

    Args:
        node: config of a data loader or data set, or any part of it.

    Returns:
        A copy with other types of the loaders; their arguments stay.
    """
    if isinstance(node, dict):
        changed = {key: with_checked_loaders(value) for key, value in node.items()}
        if isinstance(changed.get('type'), str):
            changed['type'] = CHECKED_LOADERS.get(changed['type'], changed['type'])
        return type(node)(changed)
    if isinstance(node, (list, tuple)):
        return type(node)(map(with_checked_loaders, node))
    return node
