"""What ``tools/attention.py`` writes."""

from pathlib import Path

from scaseg.errors import UserError
from scaseg.visualization import check_replaceable, save_picture
from scaseg.visualization.attention_page import attention_page, curves_picture, field_picture, maps_picture
from scaseg.visualization.page_files import check_page_replaceable, save_page

from .attention import inspect_attention, receptive_field
from .predict import load_model


def attention_files(
    model: str | Path,
    checkpoint: str | Path | None,
    image: str | Path,
    out: str | Path,
    at: tuple[int, int] | None = None,
    class_name: str | None = None,
    device: str = 'auto',
) -> list[Path]:
    """Write attention maps, the curves of strip attention and the receptive field of a pixel.

    Args:
        model: see ``load_model``.
        checkpoint: see ``load_model``.
        image: file of a picture.
        out: folder; ``NAME_maps.png``, ``NAME_curves.png``, ``NAME_field.png`` and ``NAME.html`` go there.
        at: (x, y) of the pixel that looks.
        class_name: or the class.
        device: see ``load_model``.

    Returns:
        The files.

    Raises:
        UserError: something is not as it must be, or a file lies in the way.
    """
    out, name = Path(out), Path(image).stem
    if not Path(image).is_file():
        raise UserError(f'{image}: no such picture')
    page = out / f'{name}.html'
    pictures = {kind: out / f'{name}_{kind}.png' for kind in ('maps', 'curves', 'field')}
    check_page_replaceable(page)
    for path in pictures.values():
        check_replaceable(path)
    predictor = load_model(model, checkpoint, device=device)
    view = inspect_attention(predictor, image, at, class_name)
    field = receptive_field(predictor, image, at)[1] if at is not None else None
    written = {'maps': maps_picture(view)}
    if any(layer.strip for layer in view.layers):
        written['curves'] = curves_picture(view)
    if field is not None:
        written['field'] = field_picture(view, field)
    for kind, picture in written.items():
        save_picture(picture, pictures[kind])
    save_page(attention_page(view, field), page)
    return [page, *(pictures[kind] for kind in written)]
