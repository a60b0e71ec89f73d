"""Where a network looks, as one HTML page."""

import numpy as np

from .attention_views import AttentionView, StripView
from .heat_maps import draw_lines, draw_maps, heat_over
from .html import Section, image_tag, paragraph, render_page, table
from .legend import add_legend

HEADS = ('layer', 'head', 'spread of t', 'spread of k', 'entropy', 'saturated (%)')


def attention_page(view: AttentionView, field: np.ndarray | None) -> str:
    """The page that ``tools/attention.py`` writes.

    Args:
        view: of one picture.
        field: effective receptive field (H, W) of the pixel, ``None`` where a class was asked for.
    """
    asked = f'pixel {view.point}, predicted {view.class_name}' if view.point else f'pixels predicted {view.class_name}'
    sections = [
        Section(
            'Picture', [paragraph(f'{view.result.name}: {asked}.'), image_tag(view.result.overlay(), 'prediction')]
        ),
        Section('Where it looks', [paragraph(_EXPLANATION), image_tag(maps_picture(view), 'attention maps')]),
    ]
    if any(layer.strip for layer in view.layers):
        parts = [paragraph(_CURVES), image_tag(curves_picture(view), 'queries, keys, curves'), _statistics(view)]
        sections.append(Section('Strip attention', parts))
    if field is not None:
        parts = [paragraph(_describe_field(field, view)), image_tag(field_picture(view, field), 'receptive field')]
        sections.append(Section('Effective receptive field', parts))
    return render_page(f'Attention: {view.result.name}', sections)


def maps_picture(view: AttentionView) -> np.ndarray:
    """Weights over the keys as heat on the picture, a row for each layer, a column for each head."""
    maps = {f'{layer.name} ({layer.kind})': layer.weights for layer in view.layers}
    titles = {
        f'{layer.name} ({layer.kind})': [f'head {i}, entropy {e:.2f}' for i, e in enumerate(layer.entropy)]
        for layer in view.layers
    }
    return draw_maps(view.result.image, maps, titles, view.point)


def curves_picture(view: AttentionView) -> np.ndarray:
    """Distributions, the learned curve and its entropy over t, a row for each layer of strip attention."""
    rows = [_panels(layer.name, layer.strip) for layer in view.layers if layer.strip]
    return draw_lines(rows, ['value', 'value', 't, scaled query', 't, scaled query'])


def field_picture(view: AttentionView, field: np.ndarray) -> np.ndarray:
    """The receptive field on the picture; square roots, as a few pixels would hide the rest."""
    return add_legend(heat_over(view.result.image, np.sqrt(field), view.point), [])


def _panels(name: str, strip: StripView) -> list:
    heads = range(len(strip.keys))
    return [
        (f'{name}: queries t', [_density(strip.queries[head], f'head {head}') for head in heads]),
        ('keys k', [_density(strip.keys[head], f'head {head}') for head in heads]),
        (
            'curve f(t), first component',
            [(strip.points[h], strip.curve[h], f'head {h}', strip.marked[h]) for h in heads],
        ),
        ('entropy of the weights', [(strip.points[h], strip.entropy[h], f'head {h}', strip.marked[h]) for h in heads]),
    ]


def _density(values: np.ndarray, label: str) -> tuple:
    counts, edges = np.histogram(values, bins=int(np.clip(np.sqrt(values.size), 8, 40)), density=True)
    return (edges[:-1] + edges[1:]) / 2, counts, label, None


def _statistics(view: AttentionView) -> str:
    rows = []
    for layer in view.layers:
        if layer.strip:
            of = layer.strip.statistics
            columns = zip(of.query_spread, of.key_spread, of.entropy, of.saturated, strict=True)
            rows += [
                (layer.name, head, round(t, 4), round(k, 4), round(entropy, 4), round(100 * saturated, 2))
                for head, (t, k, entropy, saturated) in enumerate(columns)
            ]
    return table(HEADS, rows, 'over all queries of the picture')


def _describe_field(field: np.ndarray, view: AttentionView) -> str:
    ordered = np.sort(field.ravel())[::-1].cumsum()
    half, most = (100 * (1 + np.searchsorted(ordered, part)) / field.size for part in (0.5, 0.9))
    return (
        'How much the score of the pixel changes with each pixel of the input, drawn as square roots. '
        f'Half of it comes from {half:.1f} % of the pixels, 90 % from {most:.1f} %.'
    )


_EXPLANATION = (
    'Weights over the positions that keys and values come from, bright where they are large; a ring marks the pixel '
    'that looks. Entropy: 0 is a single position, 1 is all positions alike.'
)
_CURVES = (
    'A head of strip attention has one number t = scale · q for each query and one number k for each key. All its '
    'outputs lie on one curve, f(t) = Σ softmax(t k) v; dots mark the query that was asked for.'
)
