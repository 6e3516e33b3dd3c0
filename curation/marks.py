"""Marks: which of two copies of one picture has a watermark, a logo or a caption on it.

No single picture tells print on it from print in it; two copies laid on each other do. A grey
value is foreign where it lies outside all that the other copy has thereabouts. Print is thin:
where it was laid over a picture it stands out from the clean copy all along its strokes, while
the clean copy hardly stands out from it, whose values lie between the strokes. So the copy with
clearly more foreign values is the marked one. A caption is a bar along an edge, plain but for
its print, that ends abruptly, and the other copy has nothing of the kind there.

All is done in whole numbers, but for steps (`curation.moved`), from the map on that lays one
small picture on the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from curation.moved import has_moved
from curation.signature import THUMB_PX, Box

_FOREIGN = 12
"""How far, in grey values, a foreign one lies outside what the other copy has thereabouts."""
_MIN_FOREIGN = 8
"""Of 1,000 values: fewer are chance."""
_TIMES_MORE = 3
"""How many times more foreign values the marked copy has than the clean one."""
_MIN_SHARED = 1500
"""Of 4,096 places: fewer that both pictures have tell nothing."""
_REGIONS = 8
"""Along each side, between which brightness may differ otherwise than over all …"""
_CLIPPED = 20
"""… and how near black and white all that was darker or brighter still has become one."""
_MAY_BE_CLIPPED = 80
"""How far from black or white a value may be that is so in a darker or brighter copy."""
_ROUNDS = 3
_SCALE = 256
_PLAIN = 6
"""How far the values of a plain bar lie from its middle one."""
_STEP = 20
"""By how much the picture differs from a bar, where that ends."""
_BARS = (3, 20)
"""How many of 64 lines a bar may have."""
_FRAMED = 0.05
"""Share of a picture from which a plain border is more than an uneven edge."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Apart:
    """From where on two pictures that seem to be copies are none."""

    foreign: int
    """Of 1,000 values of either, the least."""
    lopsided: float
    """How many times more the other may have."""
    shift: int
    """By which a quarter of the regions lie off, in thousandths of a square pixel, whichever of
    the two is laid on the other."""
    times: int
    """How many times farther these lie off than the best quarter."""

    def is_reached(self, right: int, wrong: int) -> bool:
        """Whether the worst quarter lies off so much; `right` is what the best one does."""
        return wrong >= max(self.shift, self.times * right)


_APART = (
    _Apart(foreign=3, lopsided=2, shift=350, times=4),
    _Apart(foreign=12, lopsided=1.6, shift=160, times=6),
    _Apart(foreign=1, lopsided=2, shift=250, times=20),
)
"""Any of these: much lies off; or less, and much is foreign, as much on either side; or next to
nothing is foreign, and the rest lies clearly right."""

Values = NDArray[np.int64]
Mask = NDArray[np.bool_]
Map = NDArray[np.floating]


@dataclass(frozen=True, slots=True, kw_only=True)
class Laid:
    """One copy, and the other as it lies on it; all of shape (64, 64)."""

    own: Values
    other: Values
    """Toned like the own one; meaningless where not shared."""
    shared: Mask
    clipped: Mask
    """Where the other one is as good as black or white, so that it may have lost what was there."""


def is_marked(
    thumb: NDArray[np.uint8], fellow: NDArray[np.uint8], across: Map, inner: tuple[Box, Box]
) -> bool:
    """Whether the first of two copies has a mark on it that the other has not.

    Args:
        thumb: the small grey picture, shape (64, 64).
        fellow: that of the other copy.
        across: the map from the first to the other, in shares of width and height.
        inner: both pictures without their uniform border.
    """
    here = laid(thumb, fellow, across, inner)
    own, bar = _foreign(here), _has_bar(here)
    if here.shared.sum() < _MIN_SHARED or (own < _MIN_FOREIGN and not bar):
        return False
    there = laid(fellow, thumb, np.linalg.inv(across), (inner[1], inner[0]))
    if bar != _has_bar(there) and not _are_framed_alike(inner):
        return bar
    return own >= _MIN_FOREIGN and own >= _TIMES_MORE * _foreign(there)


def differ(
    thumb: NDArray[np.uint8], fellow: NDArray[np.uint8], across: Map, inner: tuple[Box, Box]
) -> bool:
    """Whether each of two pictures that seem to be copies shows what the other has not.

    Print on a copy stands out on one side alone, and what was cropped lies a little off all
    over. Another subject before the same backdrop, or the same one elsewhere, stands out on both
    sides, and the backdrop lies where it lay; one that took a step lies off as a whole. The
    arguments are those of `is_marked`.
    """
    here = laid(thumb, fellow, across, inner)
    is_off, has_stepped = _seems_off(here), _seems_stepped(here)
    if not (is_off or has_stepped):
        return False
    there = laid(fellow, thumb, np.linalg.inv(across), (inner[1], inner[0]))
    if _has_bar(here) != _has_bar(there):
        return False
    return (is_off and _lie_off(here, there)) or (has_stepped and _seems_stepped(there))


def stepped(
    thumb: NDArray[np.uint8], fellow: NDArray[np.uint8], across: Map, inner: tuple[Box, Box]
) -> bool:
    """Whether a subject lies elsewhere in the other one of two pictures of a scene.

    Of all that makes two pictures `differ` this alone is hardly ever seen on copies, however they
    were laid on each other. The arguments are those of `is_marked`.
    """
    here = laid(thumb, fellow, across, inner)
    if not _seems_stepped(here):
        return False
    there = laid(fellow, thumb, np.linalg.inv(across), (inner[1], inner[0]))
    return _has_bar(here) == _has_bar(there) and _seems_stepped(there)


def _seems_stepped(copy: Laid) -> bool:
    return has_moved(copy.own, copy.other, copy.shared & ~copy.clipped)


def _seems_off(here: Laid) -> bool:
    """Whether as much lies off as any of the limits asks, as far as one side tells."""
    right, wrong = _shifts(here)
    return any(limit.is_reached(right, wrong) for limit in _APART)


def _lie_off(here: Laid, there: Laid) -> bool:
    """Whether much of two pictures lies off, and each shows values that are foreign."""
    least, most = sorted((_foreign(here), _foreign(there)))
    rights, wrongs = zip(_shifts(here), _shifts(there), strict=True)
    right, wrong = max(rights), min(wrongs)
    return any(
        least >= limit.foreign and most <= limit.lopsided * least and limit.is_reached(right, wrong)
        for limit in _APART
    )


def _are_framed_alike(inner: tuple[Box, Box]) -> bool:
    """Whether both pictures have a border, such as a film's, and neither much more of it."""
    least, most = sorted(1 - (box[2] - box[0]) * (box[3] - box[1]) for box in inner)
    return most > _FRAMED and 2 * least > most


def laid(
    thumb: NDArray[np.uint8], fellow: NDArray[np.uint8], across: Map, inner: tuple[Box, Box]
) -> Laid:
    """Lay a copy on another one."""
    places = np.rint(np.asarray(across, np.float64)[:2] * 10_000).astype(np.int64)
    centres = 2 * np.arange(THUMB_PX) + 1  # In half lines.
    x, y = np.meshgrid(centres, centres)
    columns, lines = (
        row[0] * x + row[1] * y + row[2] * 2 * THUMB_PX for row in places
    )  # In half lines of the other, times 10,000.
    shared = _within(x * 10_000, y * 10_000, inner[0]) & _within(columns, lines, inner[1])
    own = thumb.astype(np.int64)
    other = _sampled(fellow.astype(np.int64), columns, lines)
    at_end = (other <= _CLIPPED) | (other >= 255 - _CLIPPED)
    clipped = at_end & (np.abs(own - other) < _MAY_BE_CLIPPED)
    return Laid(
        own=own, other=_toned(other, own, shared & ~clipped), shared=shared, clipped=clipped
    )


def _within(columns: Values, lines: Values, box: Box) -> Mask:
    left, top, right, bottom = (round(edge * 2 * THUMB_PX * 10_000) for edge in box)
    return (columns >= left) & (columns <= right) & (lines >= top) & (lines <= bottom)


def _sampled(values: Values, columns: Values, lines: Values) -> Values:
    """Bilinear grey values at places, to the nearest whole one."""
    column, line = (
        np.clip((place - 10_000) * _SCALE // 20_000, 0, (THUMB_PX - 1) * _SCALE - 1)
        for place in (columns, lines)
    )
    (i, right), (j, low) = np.divmod(column, _SCALE), np.divmod(line, _SCALE)
    top = values[j, i] * (_SCALE - right) + values[j, i + 1] * right
    bottom = values[j + 1, i] * (_SCALE - right) + values[j + 1, i + 1] * right
    return np.asarray((top * (_SCALE - low) + bottom * low + _SCALE**2 // 2) // _SCALE**2)


def _toned(values: Values, like: Values, shared: Mask) -> Values:
    """Give one picture the brightness and contrast of another, as most of their places tell."""
    good = shared
    toned = values
    if not shared.any():
        return toned
    for _ in range(_ROUNDS):
        one, other = values[good], like[good]
        count = max(1, one.size)
        spread = count * int(one @ one) - int(one.sum()) ** 2
        joint = count * int(one @ other) - int(one.sum()) * int(other.sum())
        slope = max(_SCALE // 4, min(4 * _SCALE, _SCALE * joint // max(1, spread)))
        offset = (_SCALE * int(other.sum()) - slope * int(one.sum())) // count
        toned = np.clip((slope * values + offset + _SCALE // 2) // _SCALE, 0, 255)
        error = np.abs(toned - like)
        good = shared & (error <= 2 * int(np.sort(error[shared])[error[shared].size // 2]) + 3)
    return toned


def _foreign(copy: Laid) -> int:
    """How many of 1,000 shared values lie outside those of the other copy thereabouts."""
    error = copy.own - copy.other
    drift = _drift(error, copy.shared)
    lowest, highest = _extremes(copy.other + drift)
    noise = _middle(np.abs(error - drift)[copy.shared])
    beyond = np.maximum(copy.own - highest, lowest - copy.own) > _FOREIGN + 2 * noise
    shared = _eroded(copy.shared & ~copy.clipped)
    return 1000 * int((beyond & shared).sum()) // max(1, int(shared.sum()))


def _shifts(copy: Laid) -> tuple[int, int]:
    """By how much the best quarter of the regions lies off at most, and the worst at least.

    Thousandths of a square pixel; 0 where too little is seen. By how much a region lies off
    follows from its steps: as far as it was shifted, values differ by so many of these.
    """
    shared = copy.shared & ~copy.clipped
    framed = np.pad(copy.own, 1, mode="edge")
    across, down = framed[1:-1, 2:] - framed[1:-1, :-2], framed[2:, 1:-1] - framed[:-2, 1:-1]
    steps, errors = across**2 + down**2, (copy.own - copy.other) ** 2
    count, steep, off = (_by_region(values * shared) for values in (1, steps, errors))
    is_seen = 2 * count >= THUMB_PX**2 // _REGIONS**2
    if 4 * is_seen.sum() < _REGIONS**2:
        return 0, 0
    shifts = np.sort(4000 * off[is_seen] // (steep[is_seen] + 16 * count[is_seen]))
    return int(shifts[len(shifts) // 4]), int(shifts[3 * len(shifts) // 4])


def _by_region(values: Values) -> Values:
    side = THUMB_PX // _REGIONS
    return np.asarray(values.reshape(_REGIONS, side, _REGIONS, side).sum(axis=(1, 3)), np.int64)


def _drift(error: Values, shared: Mask) -> Values:
    """By how much one copy is brighter than the other in each region, as most of it tells."""
    side = THUMB_PX // _REGIONS
    drift = np.zeros_like(error)
    for j in range(0, THUMB_PX, side):
        for i in range(0, THUMB_PX, side):
            region = (slice(j, j + side), slice(i, i + side))
            if shared[region].any():
                drift[region] = _middle(error[region][shared[region]])
    return drift


def _middle(values: Values) -> int:
    return int(np.sort(values)[values.size // 2])


def _extremes(values: Values) -> tuple[Values, Values]:
    """The lowest and the highest value among each and its eight neighbours."""
    extremes = []
    for pick in (np.minimum, np.maximum):
        rows = np.pad(values, 1, mode="edge")
        rows = pick(pick(rows[:-2], rows[1:-1]), rows[2:])
        extremes.append(pick(pick(rows[:, :-2], rows[:, 1:-1]), rows[:, 2:]))
    return extremes[0], extremes[1]


def _eroded(mask: Mask) -> Mask:
    rows = np.pad(mask, 1)
    rows = rows[:-2] & rows[1:-1] & rows[2:]
    return np.asarray(rows[:, :-2] & rows[:, 1:-1] & rows[:, 2:])


def _has_bar(copy: Laid) -> bool:
    """Whether the own copy has a plain bar along an edge where the other shows something else."""
    apart = np.abs(copy.own - copy.other) > _FOREIGN
    differs = ~copy.shared | (apart & ~copy.clipped)
    for turn in range(4):
        own, foreign = np.rot90(copy.own, turn), np.rot90(differs, turn)
        lines = 5 * foreign.sum(axis=1) >= 3 * THUMB_PX
        count = int(np.argmin(lines)) if not lines.all() else THUMB_PX
        if _BARS[0] <= count <= _BARS[1] and _is_bar(own, count):
            return True
    return False


def _is_bar(own: Values, count: int) -> bool:
    bar, next_ = own[: count - 1], own[count + 1]  # What lies between may be part of both.
    middle = int(np.sort(bar, axis=None)[bar.size // 2])
    plain = int((np.abs(bar - middle) <= _PLAIN).sum())
    apart = int((np.abs(next_ - middle) > _STEP).sum())
    lines = np.abs(np.sort(bar, axis=1)[:, THUMB_PX // 2] - middle) <= _PLAIN
    return bool(lines.all()) and 20 * plain >= 11 * bar.size and 20 * apart >= 13 * THUMB_PX
