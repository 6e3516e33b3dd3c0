"""Hues: whether two pictures that are laid on each other have their colours in common.

Outlines alone do not tell a green thing from a brown one of the same cut. A copy may be toned,
paler or grey, but its hues lie where they lay, turned by a little at most; so what counts is
how the ratios of red and blue to green go along with each other over the picture. A plain thing
in sepia is not told from a brown one, and is no copy of a green one here.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

_DARK = 10.0
"""Added to red, green and blue before their ratios are taken: in the dark these are noise."""
_COLOURED = (0.04, 0.1)
"""Deviation of the logarithms of the ratios up to which a picture is grey, and from which it is
in colour. In one colour of ink, as a duotone, it is as good as grey."""
_ALIKE = 0.75
"""Correlation from which colours speak against nothing."""

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Accord:
    """What colours say of pairs of pictures; each of shape (n,)."""

    apart: Floats
    """How little they have in common, 0 to 1; 0 where one is grey."""
    one_is_grey: Floats
    """How far one is grey and the other in colour, 0 to 1; a pale copy has the other's hues."""


def accord(
    first: NDArray[np.uint8],
    second: NDArray[np.uint8],
    places: tuple[Floats, Floats],
    inside: NDArray[np.bool_],
) -> Accord:
    """What the colours of pictures say.

    Args:
        first: Red, green and blue, shape (n, side, side, 3).
        second: The other pictures.
        places: Which places of both to compare, in shares of width and height; each (n, 3, points).
        inside: Which of these count; shape (n, points).
    """
    count = np.maximum(inside.sum(axis=1), 1)
    ends = zip((first, second), places, strict=True)
    one, other = (_centred(_hues(colours, points), inside, count) for colours, points in ends)
    strengths = [np.sqrt(np.einsum("npc,npc->n", hues, hues) / count) for hues in (one, other)]
    weaker, stronger = np.minimum(*strengths), np.maximum(*strengths)
    shared = np.einsum("npc,npc->n", one, other) / count
    correlation = shared / np.maximum(weaker * stronger, 1e-6)
    clash = np.asarray(np.clip(1 - correlation / _ALIKE, 0, 1), np.float32)
    coloured = _beyond(weaker, _COLOURED)
    return Accord(
        apart=coloured * clash,
        one_is_grey=_beyond(stronger, _COLOURED) * (1 - coloured) * clash,
    )


def _beyond(values: Floats, limits: tuple[float, float]) -> Floats:
    """0 up to the first limit, 1 from the second on."""
    low, high = limits
    return np.asarray(np.clip((values - low) / (high - low), 0, 1), np.float32)


def _hues(colours: NDArray[np.uint8], places: Floats) -> Floats:
    """How red and how blue pictures are at places, beside green; shape (n, points, 2)."""
    side = colours.shape[1]
    column, line = (
        np.clip((places[:, axis] * side).astype(np.int64), 0, side - 1) for axis in (0, 1)
    )
    nth = np.arange(len(colours))[:, None]
    levels = np.log(colours[nth, line, column].astype(np.float32) + _DARK)
    hues = levels[..., [0, 2]] - levels[..., 1:2]
    return np.ascontiguousarray(hues, np.float32)  # Sums must not depend on how many there are.


def _centred(hues: Floats, inside: NDArray[np.bool_], count: NDArray[np.int64]) -> Floats:
    """Less their mean over the places inside, 0 elsewhere: a cast on all of a picture is none."""
    weights = inside[..., None].astype(np.float32)
    mean = (hues * weights).sum(axis=1) / count[:, None]
    return np.asarray((hues - mean[:, None]) * weights, np.float32)
