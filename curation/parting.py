"""Parting: pictures that are much alike as a whole, and yet each show what the other has not.

Of one scene with another subject, or with the same one nearer, nearly all patches agree, so
their likeness is high. What they lose here makes them no copies, wherever likeness is asked.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from curation.alignment import Frames, Suggestions, Thumbs, align
from curation.marks import differ
from curation.signature import Box

_LOSS = 0.1
"""How much likeness such pictures lose; those that are more alike than that are copies."""

Floats = NDArray[np.float32]


def parted(
    thumbs: Thumbs,
    frames: Frames,
    pairs: Suggestions,
    *,
    min_likeness: float,
) -> tuple[Floats, Floats]:
    """What `align` finds, less likeness where each of two pictures shows what the other has not.

    Args:
        thumbs: Of all pictures.
        frames: Of all pictures, too.
        pairs: What to compare.
        min_likeness: From where two pictures are copies; no others need to be looked at.
    """
    scores, maps = align(thumbs, frames, pairs)
    for place in np.flatnonzero((scores >= min_likeness) & (scores < min_likeness + _LOSS)):
        one, other = pairs.first[place], pairs.second[place]
        thumb, fellow = thumbs[np.asarray((one, other))]
        if differ(thumb, fellow, maps[place], (_box(frames, one), _box(frames, other))):
            scores[place] -= _LOSS
    return scores, maps


def _box(frames: Frames, place: np.int64) -> Box:
    left, top, right, bottom = frames.inner[place].tolist()
    return left, top, right, bottom
