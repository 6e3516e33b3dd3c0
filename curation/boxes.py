"""HEIC and AVIF files are boxes within boxes (ISO/IEC 14496-12, section 4.2): is one cut off?

Their decoders make a picture of what is there, and say nothing of what is not.
"""

from __future__ import annotations

import struct

_HEAD = 8
"""Bytes of a box's size and kind."""


def is_cut(body: bytes) -> bool:
    """Whether these bytes begin as a file of boxes, and end before its last box does."""
    if body[4:_HEAD] != b"ftyp":
        return False
    place = 0
    while place + _HEAD <= len(body):
        (size,) = struct.unpack_from(">I", body, place)
        if size == 1 and place + 2 * _HEAD <= len(body):
            (size,) = struct.unpack_from(">Q", body, place + _HEAD)
        if size < _HEAD:  # 0 is for "to the end", and other numbers are for the decoder to judge.
            return False
        place += size
    return place > len(body)
