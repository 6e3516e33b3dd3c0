"""Why an image is not in the dataset: the fixed words that scripts may count by.

A reason is one of these words, or a word, a colon and its particulars:
`near-duplicate: of 1f0c22aa90be, which is larger`, `too small: 20 × 31 px`.
"""

from __future__ import annotations

from typing import Final

MISSING: Final = "missing"
"""The harvest lists the original, and its file is gone or cannot be read."""
DAMAGED: Final = "damaged"
"""The original's bytes are not those that were harvested."""
LOST: Final = "lost"
"""`bestiary restore` could not get its original any more."""
EMPTY: Final = "empty file"
NOT_AN_IMAGE: Final = "not an image"
"""No format that we read: a web page, a text, a document, a drawing program's file."""
UNSUPPORTED: Final = "unsupported"
"""An image, in a format that this installation cannot decode."""
TRUNCATED: Final = "truncated"
"""The file ends before the picture does."""
CORRUPT: Final = "corrupt"
"""The decoder found the picture broken."""
CRASHED: Final = "crashed"
"""The decoder went down with it, twice."""
TOO_SLOW: Final = "too slow"
"""The decoder did not come to an end in good time."""
TOO_MUCH_MEMORY: Final = "too much memory"
"""Decoding took more memory than one image may."""
HEAVY: Final = "heavy"
"""It should be decoded while no other such picture is; never the last word."""
TOO_SMALL: Final = "too small"
TOO_LARGE: Final = "too large"
TOO_NARROW: Final = "too narrow"
DUPLICATE: Final = "duplicate"
"""The same bytes as a kept image."""
NEAR_DUPLICATE: Final = "near-duplicate"
"""A look-alike of the kept image."""
CONFLICT: Final = "conflict"
"""The same picture, or a look-alike, was gathered under another species too."""

REVIEWED: Final = "reviewed"
"""A person said so (`bestiary curate --review`); the particulars are that person's note."""

# The flags (see `curation.flags`): reasons only where the recipe says to drop them.
BLANK: Final = "blank"
DARK: Final = "dark"
BRIGHT: Final = "bright"
BLURRED: Final = "blurred"
LOW_INFORMATION: Final = "low-information"
GREY: Final = "grey"
ODD_ASPECT: Final = "odd-aspect"
TINY: Final = "tiny"
THUMBNAIL: Final = "thumbnail"
DRAWING: Final = "drawing"
TEXT: Final = "text"
COLLAGE: Final = "collage"
PLACEHOLDER: Final = "placeholder"


def word(reason: str) -> str:
    """The fixed word of a reason, without its particulars."""
    return reason.partition(":")[0]
