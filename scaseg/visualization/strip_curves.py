"""Statistics of strip attention over the course of a training."""

from pathlib import Path

from scaseg.errors import UserError

from .curves import read_scalars
from .heat_maps import draw_lines
from .picture_files import check_replaceable, save_picture

FIGURES = {
    'query_spread': 'spread of t',
    'key_spread': 'spread of k',
    'entropy': 'entropy (1: all keys alike)',
    'saturated': 'saturated queries',
}


def plot_strip_curves(work_dir: Path, out: Path) -> None:
    """Draw what ``StripStatisticsHook`` logged: a row for each layer, a line for each head.

    Args:
        work_dir: of the training.
        out: PNG to write.

    Raises:
        UserError: there is no log, nothing of strip attention in it, or a file lies in the way.
    """
    check_replaceable(out)
    curves = {name: curve for name, curve in read_scalars(work_dir).train.items() if name.startswith('strip/')}
    if not curves:
        raise UserError(
            f'{work_dir}: the log holds no statistics of strip attention; train with '
            "custom_hooks=[dict(type='StripStatisticsHook')]"
        )
    layers = sorted({name.split('/')[1] for name in curves})
    rows = []
    for layer in layers:
        panels: list[tuple[str, list[tuple]]] = []
        for figure, title in FIGURES.items():
            lines = [
                (curve.steps, curve.values, name.split('/')[2].replace('head', 'head '), None)
                for name, curve in curves.items()
                if name.startswith(f'strip/{layer}/') and name.endswith(f'/{figure}')
            ]
            panels.append((f'{layer}: {title}' if not panels else title, lines))
        rows.append(panels)
    save_picture(draw_lines(rows, ['iteration'] * len(FIGURES)), out)
