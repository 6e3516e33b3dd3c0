"""The signature of a picture: all that the search for look-alikes keeps of it, about 5 KB.

Making one is part of the one look at every image, so it holds the least: a small grey picture,
and a smaller one in colour, for where outlines are all that there is to compare. The hashes of
its views follow from the grey one, for many pictures at once, when they are compared.

A look-alike may be mirrored, turned, framed, or cropped. So a picture is hashed in several
views, and in its eight orientations, which follow from one discrete cosine transform: a
mirror image changes the sign of every other coefficient, and a diagonal one transposes them.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

THUMB_PX = 64
COLOUR_PX = 16
_HASHED_PX = 32
_LOW = 8
_MIN_DEVIATION = 3.0
"""Of grey values, 0 to 255. A flatter picture has no features, only noise: it has no signature."""
_BORDER_TOLERANCE = 14
"""How far grey values may lie apart within a uniform border, JPEG noise included."""
_MIN_INNER = 0.3
"""A border that leaves less than this share of a side is part of the picture."""

FRAMINGS = 2
"""The first views of every picture: the whole, and the inner part."""
ORIENTATIONS = 8
"""Bit 0 mirrors left to right, bit 1 top to bottom, and bit 2 transposes before that."""

Box = tuple[float, float, float, float]
"""Left, top, right, bottom, as shares of width and height."""
WHOLE: Box = (0.0, 0.0, 1.0, 1.0)

CROPS: tuple[Box, ...] = (
    *((x, y, x + 0.9, y + 0.9) for y in (0.0, 0.05, 0.1) for x in (0.0, 0.05, 0.1)),
    (0.08, 0.08, 0.92, 0.92),
    (0.0, 0.0, 1.0, 0.9),  # Without a caption below,
    (0.0, 0.1, 1.0, 1.0),  # or above.
)
"""Parts of a picture that are looked for among whole ones, to find what was cropped."""

_orders = np.arange(_LOW)[:, None]
_COSINES = 2 * np.cos(np.pi * _orders * (2 * np.arange(_HASHED_PX) + 1) / (2 * _HASHED_PX))
_SIGNS = np.stack(
    [
        np.outer(
            (-1.0) ** (np.arange(_LOW) * (flips >> 1)), (-1.0) ** (np.arange(_LOW) * (flips & 1))
        )
        for flips in range(4)
    ]
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Signature:
    """What is compared of one picture."""

    phash: int
    """64-bit perceptual hash of the whole, upright: see `phash_of`."""
    inner: Box
    """The picture without its uniform border."""
    aspect: float
    """Width over height."""
    thumb: NDArray[np.uint8]
    """Shape (64, 64): the whole in grey, squeezed to a square."""
    colours: NDArray[np.uint8]
    """Shape (16, 16, 3): the whole in red, green and blue, squeezed alike."""

    @property
    def targets(self) -> NDArray[np.uint64]:
        """Shape (2, 8): the hashes of the whole and the inner picture in every orientation."""
        return np.asarray(hashed_views(self.thumb[None], np.asarray([self.inner]))[0][0])

    @property
    def queries(self) -> NDArray[np.uint64]:
        """Shape (2 + crops,): the hashes of the whole, the inner picture and its crops."""
        return np.asarray(hashed_views(self.thumb[None], np.asarray([self.inner]))[1][0])


def phash_of(grey: Image.Image) -> int:
    """The 64-bit perceptual hash of a grey picture, by the rule of `imagehash.phash`.

    Not by that library itself: the hash is part of the lock, so coefficients are rounded
    before they are compared, and the small picture stands for the large one. The two agree
    to within 4 bits of 64 (tested).
    """
    size = (_HASHED_PX, _HASHED_PX)
    small = grey.resize(size, Image.Resampling.LANCZOS, reducing_gap=2.0)
    return int(_bits(_COSINES @ np.asarray(small, np.float64) @ _COSINES.T))


def sign(picture: Image.Image, grey: Image.Image) -> Signature | None:
    """Make the signature of an RGB picture, of which there is a grey one already; None for one
    without features."""
    thumb = np.asarray(grey.resize((THUMB_PX, THUMB_PX), Image.Resampling.BOX))
    if thumb.std() < _MIN_DEVIATION:
        return None
    return Signature(
        phash=phash_of(grey),
        inner=inner_box(np.asarray(grey)),
        aspect=grey.width / grey.height,
        thumb=thumb,
        colours=np.asarray(picture.resize((COLOUR_PX, COLOUR_PX), Image.Resampling.BOX)),
    )


def views_of(inner: NDArray[np.floating]) -> NDArray[np.float64]:
    """The box of every view of pictures, given their inner boxes; shape (n, views, 4)."""
    corner, size = inner[:, None, :2], inner[:, None, 2:] - inner[:, None, :2]
    parts = np.asarray(CROPS).reshape(1, len(CROPS), 2, 2)
    crops = (corner[:, :, None] + parts * size[:, :, None]).reshape(len(inner), len(CROPS), 4)
    whole = np.broadcast_to(np.asarray(WHOLE), (len(inner), 1, 4))
    return np.concatenate([whole, inner[:, None], crops], axis=1)


def hashed_views(
    thumbs: NDArray[np.uint8], inner: NDArray[np.floating]
) -> tuple[NDArray[np.uint64], NDArray[np.uint64]]:
    """Hash the views of pictures.

    Args:
        thumbs: shape (n, 64, 64).
        inner: shape (n, 4), the pictures without their borders.

    Returns:
        Targets, the whole and the inner picture in every orientation, shape (n, 2, 8), and
        queries, every view upright, shape (n, views).
    """
    boxes = views_of(np.asarray(inner, np.float64))
    low = np.empty((len(thumbs), boxes.shape[1], _LOW, _LOW))
    is_plain = (boxes[:, 1] == boxes[:, 0]).all(axis=1)  # One set of cosines will do for all.
    if is_plain.any():
        low[is_plain] = coefficients(thumbs[is_plain, None], boxes[is_plain.argmax()])
    for number in np.flatnonzero(~is_plain):
        low[number] = coefficients(thumbs[number], boxes[number])
    return _bits(oriented(low[:, :2])), _bits(low)


def oriented(low: NDArray[np.float64]) -> NDArray[np.float64]:
    """Turn coefficients, shape (…, 8, 8), into those of every orientation, (…, 8, 8, 8)."""
    both = np.stack([low, low.swapaxes(-1, -2)], axis=-3)
    turned = both[..., None, :, :] * _SIGNS
    return np.asarray(turned.reshape(*low.shape[:-2], ORIENTATIONS, _LOW, _LOW))


def within(part: Box, whole: Box) -> Box:
    """The box that is `part` of the box `whole`."""
    width, height = whole[2] - whole[0], whole[3] - whole[1]
    return (
        whole[0] + part[0] * width,
        whole[1] + part[1] * height,
        whole[0] + part[2] * width,
        whole[1] + part[3] * height,
    )


def inner_box(values: NDArray[np.uint8]) -> Box:
    """What is left of a grey picture, shape (height, width), without its uniform border."""
    left, right = _inner_range(values.T)
    top, bottom = _inner_range(values)
    height, width = values.shape
    return left / width, top / height, right / width, bottom / height


def _inner_range(lines: NDArray[np.uint8]) -> tuple[int, int]:
    """First and past-last line that is no border."""
    low, high = lines.min(axis=1).astype(int), lines.max(axis=1).astype(int)
    busy = np.flatnonzero(high - low > _BORDER_TOLERANCE)
    if busy.size == 0 or busy[-1] + 1 - busy[0] < _MIN_INNER * len(lines):
        return 0, len(lines)
    return int(busy[0]), int(busy[-1]) + 1


def coefficients(
    thumbs: NDArray[np.uint8], boxes: Sequence[Box] | NDArray[np.float64]
) -> NDArray[np.float64]:
    """The lowest cosine coefficients of parts of thumbnails; shape (…, boxes, 8, 8)."""
    left, top, right, bottom = np.asarray(boxes).T
    across, down = _cosines_within(left, right), _cosines_within(top, bottom)
    return np.asarray(down @ thumbs.astype(np.float64) @ across.transpose(0, 2, 1))


def _cosines_within(start: NDArray[np.float64], end: NDArray[np.float64]) -> NDArray[np.float64]:
    """Cosines over the ranges from `start` to `end`, zero outside; shape (ranges, 8, 64).

    A pixel that a range covers in part counts in part, at the middle of that part.
    """
    edges = np.arange(THUMB_PX + 1) / THUMB_PX
    low = np.maximum(edges[:-1], start[:, None])
    high = np.minimum(edges[1:], end[:, None])
    covered = np.maximum(high - low, 0.0)
    place = ((low + high) / 2 - start[:, None]) / (end - start)[:, None]
    return np.asarray(np.cos(np.pi * _orders * place[:, None, :]) * covered[:, None, :])


def _bits(low: NDArray[np.float64]) -> NDArray[np.uint64]:
    """Hash coefficients, shape (…, 8, 8): a bit says whether one is above their median."""
    flat = np.round(
        low.reshape(*low.shape[:-2], _LOW * _LOW), 6
    )  # The last digits vary by machine.
    bits = flat > np.median(flat, axis=-1, keepdims=True)
    return np.packbits(bits, axis=-1).view(">u8")[..., 0].astype(np.uint64)
