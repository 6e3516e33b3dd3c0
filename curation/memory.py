"""Memory that is given back to the system, where the C library keeps it for later."""

from __future__ import annotations

import ctypes
import sys


def give_back() -> None:
    """Return what was freed: large arrays that came and went leave holes, which glibc keeps.

    Cheap beside the stages between which it is called; does nothing where there is no glibc.
    """
    if sys.platform == "linux":
        trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
        if trim is not None:
            trim(0)
