"""SCASeg: strip cross-attention decoders for efficient semantic segmentation, on mmsegmentation."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from scaseg.apis.predict import load_model

__all__ = ['__version__', 'load_model']
__version__ = '0.1.0'


def __getattr__(name: str) -> Any:
    """``load_model`` when it is asked for: importing scaseg alone pulls in neither torch nor an mm package."""
    if name != 'load_model':
        raise AttributeError(f'module {__name__!r} has no attribute {name!r}')
    from scaseg.quiet import quiet_dependencies

    quiet_dependencies()
    from scaseg.apis.predict import load_model

    return load_model
