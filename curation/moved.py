"""Moved: whether one part of a scene lies elsewhere in one of two pictures.

A copy that is laid on its original lies a little off everywhere or nowhere, or shows print in
places. Where an animal took a step between two shots, one part lies off as a whole, all of it
in one direction, while the rest lies where it lay. How far each part lies off is estimated as
Lucas and Kanade do (An iterative image registration technique with an application to stereo
vision, 1981), once, in overlapping windows. A large subject draws the map along that lays one
picture on the other, so that the rest lies a little off, too; what most windows have in common
is taken away first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from curation.signature import THUMB_PX

_WINDOW, _STEP = 12, 4
"""Samples along each side of a window, and from one window to the next."""
_SHARED = 0.7
"""Share of a window that both pictures must have."""
_TEXTURE = 4.0
"""Mean square of a window's slopes, in the direction in which it has least, below which it does
not show whether it moved."""
_RIDGE = 0.5
"""Added to that, so that noise moves nothing."""
_STILL = 0.12
"""How far, in samples, a window may seem to lie off that lies where it lay …"""
_MOVED = 0.25
"""… and from where on it has moved …"""
_EXPLAINED = 0.4
"""… if that explains such a share of how the two pictures differ there."""
_IN_COMMON = (0.5, 0.3, 0.2, 0.15)
"""How far, in samples, a window may lie off what most have in common to be one of these, and then
of what these have in common, and so on."""
_LEAST_STILL, _LEAST_MOVED = 20, 15
"""Windows, of 196, that lie where they lay, and that have moved and hang together."""
_STRIDE = 0.55
"""By how many samples these have moved, as a whole."""
_INNER = 0.5
"""Share of them that do not lie along an edge, where bars and borders lie."""

_WHOLE = 1000
"""Of a sample; steps are added up as whole numbers of these."""
_FIRST = np.arange(0, THUMB_PX - _WINDOW + 1, _STEP)[:, None]
_PICK = ((np.arange(THUMB_PX) >= _FIRST) & (np.arange(THUMB_PX) < _FIRST + _WINDOW)).astype(float)
"""Which lines a window has; shape (windows, lines)."""
_PLACES = np.stack([np.ones((len(_FIRST), len(_FIRST))), *np.indices((len(_FIRST), len(_FIRST)))])
"""1, and where each window lies: down and across."""

Values = NDArray[np.int64]
Floats = NDArray[np.float64]
Mask = NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class _Flow:
    """What each window shows; all of shape (windows, windows)."""

    across: Floats
    """In samples, as `down`."""
    down: Floats
    is_still: Mask
    is_moved: Mask


def has_moved(own: Values, other: Values, shared: Mask) -> bool:
    """Whether a part of a picture lies elsewhere in another one that is laid on it.

    Args:
        own: The small grey picture, shape (64, 64).
        other: The other one, as it lies on that.
        shared: Which places tell something.
    """
    flow = _flow(own, other, shared)
    if flow.is_still.sum() < _LEAST_STILL:
        return False
    parts, _ = ndimage.label(flow.is_moved)
    sizes = np.bincount(parts.ravel())
    sizes[0] = 0
    largest = int(sizes.argmax())
    count = int(sizes[largest])
    if count < _LEAST_MOVED:
        return False
    part = parts == largest
    across, down = (math.fsum(steps[part].tolist()) / count for steps in (flow.across, flow.down))
    inner = int(part[2:-2, 2:-2].sum())
    return across**2 + down**2 >= _STRIDE**2 and inner >= _INNER * count


def _flow(own: Values, other: Values, shared: Mask) -> _Flow:
    """Sums are of whole numbers, so they are the same on every machine."""
    both = np.pad(own + other, 1, mode="edge")
    slopes = both[1:-1, 2:] - both[1:-1, :-2], both[2:, 1:-1] - both[:-2, 1:-1]  # Four times.
    # A slope tells something only where the places beside it do.
    shared = ndimage.binary_erosion(shared, np.ones((3, 3)), border_value=1)
    x, y = (slope * shared for slope in slopes)
    error = (own - other) * shared
    terms = (shared, x, y, error, x * x, y * y, x * y, x * error, y * error, error * error)
    count, of_x, of_y, of_error, xx, yy, xy, to_x, to_y, before = _windowed(terms)
    is_seen = count >= _SHARED * _WINDOW**2
    count = np.maximum(count, 1)
    mean = of_error / count
    to_x, to_y, before = to_x - of_x * mean, to_y - of_y * mean, before - of_error * mean
    xx, yy, xy = xx - of_x * of_x / count, yy - of_y * of_y / count, xy - of_x * of_y / count
    ridge = 16 * _RIDGE * count
    whole = (xx + ridge) * (yy + ridge) - xy * xy
    across = ((yy + ridge) * to_x - xy * to_y) / whole
    down = ((xx + ridge) * to_y - xy * to_x) / whole
    gained = 2 * (across * to_x + down * to_y)
    gained -= across**2 * xx + 2 * across * down * xy + down**2 * yy
    least = (xx + yy - np.sqrt((xx - yy) ** 2.0 + 4.0 * xy * xy)) / 2
    is_seen &= least > 16 * _TEXTURE * count
    steps = _beside_common(4 * np.stack((across, down)), is_seen)
    size = (steps**2).sum(axis=0)
    return _Flow(
        across=steps[0],
        down=steps[1],
        is_still=is_seen & (size < _STILL**2),
        is_moved=is_seen & (size > _MOVED**2) & (gained > _EXPLAINED * before),
    )


def _beside_common(steps: Floats, is_seen: Mask) -> Floats:
    """Steps, less the affine part that most windows have in common; shape (2, windows, windows)."""
    rest = steps
    whole = np.rint(steps * _WHOLE)
    for limit in _IN_COMMON:
        agree = is_seen & ((rest**2).sum(axis=0) < limit**2)
        if agree.sum() < _LEAST_STILL:
            break
        places = _PLACES[:, agree]
        common = np.linalg.solve(places @ places.T, places @ whole[:, agree].T)
        # Rounded, so that it does not matter how a machine adds up.
        rest = np.round(steps - np.tensordot(common.T, _PLACES, 1) / _WHOLE, 6)
    return rest


def _windowed(terms: Sequence[NDArray[np.int64] | Mask]) -> Floats:
    """Sums over windows, at every `_STEP`th place; shape (terms, windows, windows).

    They are whole numbers far below 2^53, so it does not matter in which order they are made.
    """
    return np.asarray(_PICK @ np.stack(terms).astype(np.float64) @ _PICK.T)
