"""The layout of a rendered file: which of its bytes are where they were when it was written.

Damage leaves nearly all bytes in place. Who compresses a picture again, or packs it otherwise,
writes every byte after the header anew; who changes metadata, none.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image, JpegImagePlugin

from curation.recipe import CurationRecipe
from curation.render import to_jpeg

_FEW_BYTES = 2
"""No tool changes as few, and nothing else."""
_METADATA = frozenset({*range(0xE0, 0xF0), 0xFE})
"""Markers of segments on which no pixel depends: APP0 to APP15, and comments."""
_SCAN = 0xDA
_END = b"\xff\xd9"
_SUBSAMPLED = frozenset({1, 2})
"""4:2:2 and 4:2:0, as Pillow numbers them; what is rendered is 4:4:4."""


def with_rendered_metadata(body: bytes, recipe: CurationRecipe) -> bytes:
    """A file with the metadata that rendering writes instead of its own."""
    header = _header(recipe)
    _, _, end = next(_segments(header))
    return header[:end] + _without_metadata(body)


def has_other_metadata(body: bytes, expected: bytes) -> bool:
    """Whether a file differs from the rendered one in metadata, and in nothing else.

    A byte or two that changed in place are damage, and no other metadata.
    """
    if _without_metadata(body) != _without_metadata(expected):
        return False
    return len(body) != len(expected) or _changed(body, expected) > _FEW_BYTES


def is_as_rendered(body: bytes, recipe: CurationRecipe) -> bool:
    """Whether a picture has the header of every file that is rendered by the recipe.

    Its tables are those, to a byte or two, and its colours are as fine as its outlines.
    """
    header = _header(recipe)
    bare = _changed(_without_metadata(body), _without_metadata(header))
    if min(bare, _changed(body, header)) > _FEW_BYTES:
        return False
    with Image.open(BytesIO(body)) as image:
        return JpegImagePlugin.get_sampling(image) not in _SUBSAMPLED


def share_in_place(body: bytes, expected: bytes) -> float:
    """The share of a rendered file's bytes, after its header, that are where they were.

    They are counted from the front or from the back, whichever finds more of them.
    """
    *_, (_, _, start) = _segments(expected)
    found, wanted = (np.frombuffer(one[start:], np.uint8) for one in (body, expected))
    both = min(len(found), len(wanted))
    front = np.count_nonzero(found[:both] == wanted[:both])
    back = np.count_nonzero(found[len(found) - both :] == wanted[len(wanted) - both :])
    return max(front, back) / max(1, len(wanted))


@functools.cache
def _header(recipe: CurationRecipe) -> bytes:
    """What every file that is rendered by a recipe begins with: all that precedes its pixels."""
    blank = to_jpeg(Image.new("RGB", (recipe.side_px, recipe.side_px)), recipe)
    *_, (_, _, end) = _segments(blank)
    return blank[:end]


def _segments(body: bytes) -> Iterator[tuple[int, int, int]]:
    """Marker, start and end of a JPEG's segments, up to that of the first scan."""
    start, marker = 2, 0
    while marker != _SCAN and start + 4 <= len(body) and body[start] == 0xFF:
        marker = body[start + 1]
        end = start + 2 + int.from_bytes(body[start + 2 : start + 4])
        yield marker, start, end
        start = end


def _without_metadata(body: bytes) -> bytes:
    """A JPEG's segments that shape pixels, and its data up to the end of the picture."""
    kept, place = [], 2
    for marker, start, place in _segments(body):
        if marker not in _METADATA:
            kept.append(body[start:place])
    end = body.find(_END, place)
    return b"".join(kept) + body[place : end + len(_END) if end >= 0 else len(body)]


def _changed(body: bytes, beginning: bytes) -> int:
    """How many bytes of a beginning a file does not begin with."""
    ahead = body[: len(beginning)].ljust(len(beginning))
    return sum(one != other for one, other in zip(ahead, beginning, strict=True))
