"""JPEGs: what their bytes tell and Pillow does not.

Segments and markers: ITU-T T.81, Annex B.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
"""Markers that begin a frame: SOF0 to SOF15."""
_LOSSLESS = frozenset({0xC3, 0xC7, 0xCB, 0xCF})
BEGINNING = b"\xff\xd8"
_SCAN = 0xDA
_END = b"\xff\xd9"
_FILL = 0xFF
_FILLER = bytes((37 * number + 11) % 255 for number in range(256))
"""What a decoder that has come to the end of the picture passes over, and one that has not
takes for more of it. Without the byte 255, so no marker."""
MAX_SCANS = 200
"""Encoders write a dozen. Each may cover the whole picture, so thousands take minutes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outline:
    """What a JPEG says of itself before its first scan."""

    precision: int
    """Bits a sample; 0 where it is not said."""
    frame: int | None
    """Where the frame that says so begins."""
    is_lossless: bool
    """A frame that can be decoded, but not at a reduced scale."""
    scan: int | None
    """Where the first scan begins; None if the segments do not lead there."""


def outline(body: bytes) -> Outline:
    """Walk the segments as far as they lead."""
    place, frame, scan = 2, None, None
    while scan is None and place + 5 <= len(body) and body[place] == _FILL:
        marker = body[place + 1]
        if marker == _SCAN:
            scan = place
        if marker in _FRAMES:
            frame = place
        is_fill = marker == _FILL
        place += 1 if is_fill else 2 + int.from_bytes(body[place + 2 : place + 4])
    return Outline(
        precision=0 if frame is None else body[frame + 4],
        frame=frame,
        is_lossless=frame is not None and body[frame + 1] in _LOSSLESS,
        scan=scan,
    )


def as_of_8_bits(body: bytes) -> bytes:
    """The same bytes, but for how many bits they say that a sample has."""
    frame = outline(body).frame
    return body if frame is None else body[: frame + 4] + b"\x08" + body[frame + 5 :]


def coded_bytes(body: bytes) -> int:
    """How many bytes the picture itself takes: without what comes before it, or after its end."""
    start, end = _span(body)
    return (len(body) if end is None else end) - start


def _span(body: bytes) -> tuple[int, int | None]:
    """Where the first scan begins, at the end where there is none, and where the picture ends."""
    start = outline(body).scan
    if start is None:
        return len(body), None
    end = body.find(_END, start)
    return start, end if end >= 0 else None


def scans(body: bytes) -> int:
    """How many scans there are: where entropy-coded data has begun, bytes like a marker are one."""
    data = np.frombuffer(body, np.uint8, offset=outline(body).scan or 0)
    return int(np.count_nonzero((data[:-1] == _FILL) & (data[1:] == _SCAN)))


def up_to_its_end(body: bytes) -> bytes | None:
    """The JPEG without what comes after its picture; None where it has no end."""
    _, end = _span(body)
    return None if end is None else body[: end + len(_END)]


def prolonged(body: bytes) -> bytes | None:
    """The JPEG with more data before its end: the same picture, unless some was missing.

    None where the end is not the last thing in the file, as it is in one that was cut and
    closed again.
    """
    return body[: -len(_END)] + _FILLER + _END if body.endswith(_END) else None
