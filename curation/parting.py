"""Parting: pictures that are much alike as a whole, and yet each show what the other has not.

Of one scene with another subject, or with the same one nearer, nearly all patches agree, so
their likeness is high. Whether a part of them lies off can only be told where they lie on each
other as well as they will: of several ways, the one that makes them most alike decides. A
subject that took a step lowers likeness less still, and is looked for in more alike ones, too.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curation.alignment import Frames, Suggestions, Thumbs, align, by_map
from curation.marks import differ, stepped
from curation.signature import Box

_SECOND_TRY = 0.05
"""How much less alike than copies two pictures may be that are laid on each other once more, the
second on the first."""
LOSS = 0.1
"""How much likeness such pictures lose, or more; those that are more alike are copies …"""
STILL = 0.99
"""… unless a subject took a step; of those that are as alike as this it is not asked."""

Floats = NDArray[np.float32]


def both_ways(
    thumbs: Thumbs,
    frames: Frames,
    pairs: Suggestions,
    *,
    min_likeness: float,
    sure: float,
) -> tuple[Floats, Floats]:
    """What `align` finds; where that leaves doubt, the second is laid on the first as well.

    Args:
        thumbs: Of all pictures.
        frames: Of all pictures, too.
        pairs: What to compare.
        min_likeness: From where two pictures may be copies; no others need to be looked at.
        sure: From where they are copies, whatever each shows, unless a subject took a step.
    """
    scores, maps = align(thumbs, frames, pairs)
    tried = np.flatnonzero((scores >= min_likeness - _SECOND_TRY) & (scores < sure))
    if tried.size:
        back = np.linalg.inv(maps[tried])
        ends = pairs.second[tried], pairs.first[tried]
        again, across = align(thumbs, frames, by_map(*ends, back))
        better = again > scores[tried]
        scores[tried[better]], maps[tried[better]] = again[better], np.linalg.inv(across[better])
    return scores, maps


def parted(
    thumbs: Thumbs,
    frames: Frames,
    pairs: Suggestions,
    *,
    min_likeness: float,
    sure: float,
) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """What `both_ways` finds, whose arguments these are, and which pairs are told apart.

    Those are it of which each picture shows what the other has not, or a subject elsewhere.
    """
    scores, maps = both_ways(thumbs, frames, pairs, min_likeness=min_likeness, sure=sure)
    is_apart = have_stepped(thumbs, frames, pairs, maps, (scores >= sure) & (scores < STILL))
    for place in np.flatnonzero((scores >= min_likeness) & (scores < sure)):
        is_apart[place] = differ(*_laid(thumbs, frames, pairs, maps, place))
    return scores, maps, is_apart


def have_stepped(
    thumbs: Thumbs, frames: Frames, pairs: Suggestions, maps: Floats, asked: NDArray[np.bool_]
) -> NDArray[np.bool_]:
    """In which of the pairs that are `asked` about, laid on each other, a subject took a step."""
    found = np.zeros(len(asked), bool)
    for place in np.flatnonzero(asked):
        found[place] = stepped(*_laid(thumbs, frames, pairs, maps, place))
    return found


def _laid(
    thumbs: Thumbs, frames: Frames, pairs: Suggestions, maps: Floats, place: np.intp
) -> tuple[NDArray[np.uint8], NDArray[np.uint8], Floats, tuple[Box, Box]]:
    one, other = pairs.first[place], pairs.second[place]
    thumb, fellow = thumbs[np.asarray((one, other))]
    return thumb, fellow, maps[place], frames.boxes(one, other)
