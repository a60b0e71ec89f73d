"""SegNeXt (MSCAN encoder, Hamburger decoder) as its authors publish it, and as mmseg 1.x trains it.

Our head keeps the official names, ``decode_head.{squeeze,hamburger.ham_in,hamburger.ham_out,align,conv_seg}``; mmseg's
encoder differs from the authors' by one level of names.
"""

from collections.abc import Mapping

from torch import Tensor

from ..layouts import mscan_to_mmseg


def convert_segnext(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Official or mmseg's SegNeXt to ``HamburgerHead`` on mmseg's ``MSCAN``.

    Bases are in files trained with ``RAND_INIT=False`` alone.
    """
    renamed = {name.replace('.hamburger.ham.bases', '.hamburger.bases'): tensor for name, tensor in state.items()}
    return mscan_to_mmseg(renamed)
