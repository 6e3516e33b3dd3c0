"""Deep JPEGs: of more than 8 bits a sample, as scanners and microscopes make them.

Pillow has no decoder for them, and opens them all the same once they say that they have 8. The
extra `deep-jpeg` brings libjpeg-turbo's, for 12 bits and, without loss, for up to 16.
"""

from __future__ import annotations

import functools
import hashlib

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation import jpegs

FORMAT = "JPEG16"
"""What they are called in a manifest, however deep."""
PACKAGE = "imagecodecs"
HINT = "pip install bestiary[deep-jpeg]"
_BAND_PX = 2**20

Samples = NDArray[np.uint16]


@functools.cache
def can_be_read() -> bool:
    """Whether there is a decoder for them."""
    try:
        import imagecodecs

        return bool(imagecodecs.JPEG8.available)
    except ImportError:
        return False


def bits(body: bytes) -> int:
    """How many bits a sample has; 0 of what is no deep JPEG."""
    precision = jpegs.outline(body).precision if body.startswith(jpegs.BEGINNING) else 0
    return precision if precision > 8 else 0


def loaded(image: Image.Image, body: bytes) -> Image.Image:
    """The picture in 8 bits.

    The decoder says nothing of missing data, so it is asked twice, the second time with more
    data before the end: where that makes another picture, some was missing.

    Args:
        image: What Pillow opened of `jpegs.as_of_8_bits(body)`.
        body: The file.

    Raises:
        RuntimeError: it is broken.
        OSError: it ends before its picture does.
    """
    whole = jpegs.up_to_its_end(body)
    longer = jpegs.prolonged(whole) if whole else None
    if longer is None:
        raise OSError("the picture is truncated: it has no end")
    seen = _digest(_decoded(longer))
    samples = _decoded(body)
    if _digest(samples) != seen:
        raise OSError("the picture is truncated")
    top = 2 ** bits(body) - 1
    made = Image.new(image.mode, image.size)
    rows = max(1, _BAND_PX // image.width)
    for first in range(0, image.height, rows):
        band = samples[first : first + rows].astype(np.uint32)
        eight = ((band * 255 + top // 2) // top).astype(np.uint8)
        # Of four inks Pillow, as all others, takes what is stored for what is left of white.
        eight = 255 - eight if image.mode == "CMYK" else eight
        part = Image.frombytes(image.mode, (image.width, len(eight)), eight.tobytes())
        made.paste(part, (0, first))
    made.info, made.format = image.info, image.format
    return made


def _decoded(body: bytes) -> Samples:
    import imagecodecs

    samples: Samples = np.ascontiguousarray(imagecodecs.jpeg8_decode(body))
    return samples


def _digest(samples: Samples) -> bytes:
    return hashlib.sha256(samples.data.cast("B")).digest()
