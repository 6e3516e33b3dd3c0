"""Whether an image moves, told by its bytes: more than one frame in a GIF, PNG, WebP or AVIF.

Nothing is decoded. An animation is an image like any other for the scraper, and marked in its
row: what is made of the harvest shows its first frame alone.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from typing import Final

UNWANTED: Final = "animated (without --no-animated it is kept)"
"""Why an animation is skipped, where only stills are wanted."""


def is_animated(body: bytes) -> bool:
    """Whether an image has more than one frame; what is broken has as many as are there."""
    for magic, moves in _READERS:
        if body.startswith(magic):
            try:
                return moves(body)
            except (struct.error, IndexError):
                return False
    return body[4:8] == b"ftyp" and not _SEQUENCES.isdisjoint(_brands(body))


def _gif_moves(body: bytes) -> bool:
    """Go from block to block until a second frame begins."""
    place, has_frame = 13 + _colours(body[10]), False
    while place < len(body):
        match body[place]:
            case 0x2C if has_frame:
                return True
            case 0x2C:
                has_frame = True
                place = _after_pieces(body, place + 11 + _colours(body[place + 9]))
            case 0x21:
                place = _after_pieces(body, place + 2)
            case _:
                return False
    return False


def _colours(flags: int) -> int:
    """The bytes that a colour table takes, if the flags say that there is one."""
    return 3 << ((flags & 7) + 1) if flags & 0x80 else 0


def _after_pieces(body: bytes, place: int) -> int:
    while length := body[place]:
        place += 1 + length
    return place + 1


def _png_moves(body: bytes) -> bool:
    """Look for what says that there are frames; it stands before the pixels of the first."""
    for name, start in _chunks(body, place=8, order=">", is_name_first=False):
        if name == b"acTL":
            (frames,) = struct.unpack_from(">I", body, start)
            return bool(1 < frames <= _MOST_FRAMES)
        if name == b"IDAT":
            return False
    return False


def _webp_moves(body: bytes) -> bool:
    chunks = _chunks(body, place=12, order="<", is_name_first=True)
    return body[8:12] == b"WEBP" and sum(name == b"ANMF" for name, _ in chunks) > 1


def _chunks(
    body: bytes, *, place: int, order: str, is_name_first: bool
) -> Iterator[tuple[bytes, int]]:
    """The chunks of a PNG, or of a RIFF file: each one's name, and where its data begin."""
    while place + 8 <= len(body):
        first, second = body[place : place + 4], body[place + 4 : place + 8]
        name, size = (first, second) if is_name_first else (second, first)
        (length,) = struct.unpack(f"{order}I", size)
        yield name, place + 8
        place += 8 + (length + length % 2 if is_name_first else length + 4)


def _brands(body: bytes) -> Iterator[bytes]:
    """What kinds of file an ISO file says that it is."""
    (length,) = struct.unpack_from(">I", body)
    yield body[8:12]
    for place in range(16, min(length, len(body), 256), 4):
        yield body[place : place + 4]


_MOST_FRAMES: Final = 0x80000000
"""More cannot be meant, and the PNG is shown as if nothing had been said of frames."""
_SEQUENCES: Final = frozenset({b"avis", b"msf1", b"hevc", b"hevx"})
"""Brands of files that have several images in an order of time."""
_READERS: Final[tuple[tuple[bytes, Callable[[bytes], bool]], ...]] = (
    (b"GIF8", _gif_moves),
    (b"\x89PNG\r\n\x1a\n", _png_moves),
    (b"RIFF", _webp_moves),
)
