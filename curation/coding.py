"""Coding: how many bytes a picture takes as a JPEG, so that copies in any formats can be compared.

Of two JPEGs of one size the larger was compressed less. A picture that was ruined as a JPEG and
then saved as a PNG has more bytes than either, and so has an animation of many frames; but what
was lost stays lost. A JPEG's bytes go by how many coefficients of its 8 × 8 blocks are not zero,
and those can still be counted in the pixels.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation import jpegs
from curation.colours import Colour, opaque

JPEGS = frozenset({"JPEG", "MPO"})
"""How Pillow names them; the second is a camera's, with another picture behind it."""
_LEANER = {"WEBP": 1.4, "AVIF": 2.0, "HEIF": 2.0, "JPEG2000": 1.3}
"""How many times more bytes a JPEG takes that looks as good: what such codecs lose is no grid."""
_SIDE = 8
_BANDS_PX = 2**18
_BITS = 6.3
"""What a coefficient that is not zero takes: 5.3 to 7.6 at qualities from 8 to 95, the median of
40 photos each; colours are in it."""
_NOT_ZERO = 1.5
"""From where a coefficient is none that rounding to whole values made; these deviate by 0.3."""
_SCALE = 1024


def _cosines() -> NDArray[np.float64]:
    """The discrete cosine transform of 8 values, times 1,024, in whole numbers: sums are exact."""
    nth, place = np.meshgrid(np.arange(_SIDE), np.arange(_SIDE), indexing="ij")
    waves = np.cos((2 * place + 1) * nth * np.pi / (2 * _SIDE)) * np.sqrt(2 / _SIDE)
    waves[0] /= np.sqrt(2)
    return np.asarray(np.rint(waves * _SCALE), np.float64)


_COSINES = _cosines()


def coded_bytes(image: Image.Image, body: bytes, background: Colour) -> int:
    """How many bytes the pixels of a picture take, or would take, as a JPEG.

    Args:
        image: as it was decoded, in full unless it is a JPEG.
        body: the bytes it was decoded from.
        background: what lies behind transparency.
    """
    if image.format in JPEGS:
        return jpegs.coded_bytes(body)
    values = np.asarray(opaque(_bands(image), background).convert("L"))
    height, width = (side // _SIDE for side in values.shape)
    share = _coefficients(values[: height * _SIDE, : width * _SIDE]) / max(1, values.size)
    taken = round(share * image.width * image.height * _BITS / 8)
    if image.format in _LEANER:
        frames = int(getattr(image, "n_frames", 1))
        return min(taken, round(_LEANER[image.format] * len(body) / frames))
    return taken


def _bands(image: Image.Image) -> Image.Image:
    """Bands of 8 lines from all over a picture, one below the other; all of a small one."""
    count = max(1, _BANDS_PX // (image.width * _SIDE))
    if count * _SIDE >= image.height:
        return image
    spare = image.height // _SIDE - count
    part = image.crop((0, 0, image.width, count * _SIDE))
    for nth in range(count):
        top = _SIDE * (nth + spare * nth // max(1, count - 1))
        part.paste(image.crop((0, top, image.width, top + _SIDE)), (0, nth * _SIDE))
    return part


def _coefficients(values: NDArray[np.uint8]) -> int:
    """How many of the blocks' coefficients are not zero, but for the first of each."""
    height, width = (side // _SIDE for side in values.shape)
    rows = values.reshape(-1, _SIDE).astype(np.float64) @ _COSINES.T
    columns = rows.reshape(height, _SIDE, width, _SIDE).transpose(0, 2, 3, 1)
    found = np.abs(columns.reshape(-1, _SIDE) @ _COSINES.T) > _NOT_ZERO * _SCALE**2
    return int(np.count_nonzero(found)) - int(np.count_nonzero(found.reshape(-1, 64)[:, 0]))
