"""What became of a file whose bytes changed: is it still the same picture?"""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
from PIL import Image

from curation.dataset import Row
from curation.decode import decode
from curation.recipe import CurationRecipe
from curation.render import fitted, fitted_size, to_jpeg
from curation.signature import phash_of

REBUILD = "rebuild with `bestiary curate`"
_SAME_BITS = 12
"""Hashes of one picture, rendered and compressed again, differ by no more; of two, by 32."""
_SMALL_PX = 16
_SAME_LEVELS = 3.0
"""Of 255: by how much pixels at that size differ in the mean in a picture compressed again."""


def rendered_jpeg(body: bytes, recipe: CurationRecipe) -> bytes | None:
    """The file that the dataset holds of these bytes; None where they are no picture."""
    decoded = decode(body, recipe)
    if isinstance(decoded, str):
        return None
    return to_jpeg(fitted(decoded.picture, recipe), recipe)


def rendered_change(
    body: bytes, row: Row, recipe: CurationRecipe, original: Path | None
) -> tuple[str, str]:
    """What became of a rendered file: `corrupt`, `re-encoded`, or `changed` if none can tell.

    The original, where it is at hand, decides to the pixel; else the perceptual hash does.
    """
    decoded = decode(body, recipe)
    if isinstance(decoded, str):
        return "corrupt", f"it is no whole picture any more ({decoded}): {REBUILD}"
    side = recipe.side_px
    if (decoded.header.width, decoded.header.height) != (side, side):
        size = f"{decoded.header.width} × {decoded.header.height} px"
        return "corrupt", f"it is {size} and not {side} × {side}: {REBUILD}"
    expected = _expected(row, recipe, original)
    if expected is not None:
        return _compared(body, expected)
    return _by_hash(decoded.picture, row, recipe)


def original_change(body: bytes, row: Row, recipe: CurationRecipe) -> tuple[str, str]:
    """What became of an original: `corrupt`, or `re-encoded` if the dataset is as before."""
    jpeg = rendered_jpeg(body, recipe) if row.kept else None
    if jpeg is not None and hashlib.sha256(jpeg).hexdigest() == row.file_sha256:
        detail = "the original's bytes have changed and its picture has not: gather it again"
        return "re-encoded", detail
    return "corrupt", "the original's bytes have changed, it is corrupt: gather it again"


def _expected(row: Row, recipe: CurationRecipe, original: Path | None) -> bytes | None:
    """The rendered bytes as they were, made anew of an intact original."""
    try:
        body = original.read_bytes() if original else b""
    except OSError:
        return None
    if hashlib.sha256(body).hexdigest() != row.digest:
        return None
    return rendered_jpeg(body, recipe)


def _compared(body: bytes, expected: bytes) -> tuple[str, str]:
    with Image.open(BytesIO(body)) as one, Image.open(BytesIO(expected)) as other:
        found, wanted = one.convert("RGB"), other.convert("RGB")
    difference = _mean_difference(found, wanted)
    if difference == 0:
        return "re-encoded", f"its pixels are the rendered ones in other bytes: {REBUILD}"
    small = (_SMALL_PX, _SMALL_PX)
    box = Image.Resampling.BOX  # Averages out what compression adds.
    if _mean_difference(found.resize(small, box), wanted.resize(small, box)) <= _SAME_LEVELS:
        by = f"its pixels differ by {difference:.2f} of 255 in the mean"
        return "re-encoded", f"it is the same picture, compressed again ({by}): {REBUILD}"
    return "corrupt", f"it shows something else than its original: {REBUILD}"


def _mean_difference(one: Image.Image, other: Image.Image) -> float:
    found, wanted = np.asarray(one, np.int16), np.asarray(other, np.int16)
    return float(np.abs(found - wanted).mean())


def _by_hash(picture: Image.Image, row: Row, recipe: CurationRecipe) -> tuple[str, str]:
    if recipe.fit == "crop" or row.phash is None or not (row.width and row.height):
        hint = "`bestiary verify --harvest` can tell whether it is the same picture"
        return "changed", f"its bytes are not the rendered ones ({hint}): {REBUILD}"
    width, height = fitted_size((row.width, row.height), recipe)
    left, top = (picture.width - width) // 2, (picture.height - height) // 2
    whole = picture.crop((left, top, left + width, top + height))
    bits = (phash_of(whole.convert("L")) ^ int(row.phash, 16)).bit_count()
    if bits <= _SAME_BITS:
        return "re-encoded", f"it is the same picture in other bytes: {REBUILD}"
    return "corrupt", f"it shows something else than what was rendered: {REBUILD}"
