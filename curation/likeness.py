"""What became of a file whose bytes changed: is it still the same picture?"""

from __future__ import annotations

import hashlib
from io import BytesIO
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from curation.dataset import Row
from curation.decode import decode
from curation.layout import (
    has_other_metadata,
    is_as_rendered,
    share_in_place,
    with_rendered_metadata,
)
from curation.recipe import CurationRecipe
from curation.render import fitted, fitted_size, to_jpeg
from curation.signature import phash_of

REBUILD = "rebuild with `bestiary curate`"
_SAME_BITS = 12
"""Hashes of one picture, rendered and compressed again, differ by no more; of two, by 32."""
_IN_PLACE = 0.4
"""The share of bytes that damage leaves in place; compressing again mostly leaves a hundredth."""
_BLOCK_PX = 16
_SAME_LEVELS = 12
"""Of 255: no such block's mean differs by more in a picture compressed again; 6 at quality 60."""


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

    The original, where it is at hand, decides to the byte and the pixel; else the layout of
    the file and the perceptual hash do. Without it, what was saved again with the very settings
    of rendering cannot be told from what was damaged, and counts as such.
    """
    decoded = decode(body, recipe)
    if isinstance(decoded, str):
        return "corrupt", f"it is no whole picture any more ({decoded}): {REBUILD}"
    side = recipe.side_px
    if (decoded.header.width, decoded.header.height) != (side, side):
        size = f"{decoded.header.width} × {decoded.header.height} px"
        return "corrupt", f"it is {size} and not {side} × {side}: {REBUILD}"
    expected = _expected(body, row, recipe, original)
    if expected is not None:
        return _compared(body, expected, recipe)
    if is_as_rendered(body, recipe):
        return "corrupt", f"it is laid out as it was rendered, and damaged since: {REBUILD}"
    return _by_hash(decoded.picture, row, recipe)


def original_change(body: bytes, row: Row, recipe: CurationRecipe) -> tuple[str, str]:
    """What became of an original: `corrupt`, or `re-encoded` if the dataset is as before.

    One that is as long as it was is damaged, even where that is lost in rendering.
    """
    jpeg = rendered_jpeg(body, recipe) if row.kept and len(body) != row.bytes else None
    if jpeg is not None and hashlib.sha256(jpeg).hexdigest() == row.file_sha256:
        detail = "the original's bytes have changed and its picture has not: gather it again"
        return "re-encoded", detail
    return "corrupt", "the original's bytes have changed, it is corrupt: gather it again"


def _expected(body: bytes, row: Row, recipe: CurationRecipe, original: Path | None) -> bytes | None:
    """The rendered bytes as they were: of the file itself, or made anew of an intact original."""
    restored = with_rendered_metadata(body, recipe)
    if hashlib.sha256(restored).hexdigest() == row.file_sha256:
        return restored
    try:
        source = original.read_bytes() if original else b""
    except OSError:
        return None
    if hashlib.sha256(source).hexdigest() != row.digest:
        return None
    return rendered_jpeg(source, recipe)


def _compared(body: bytes, expected: bytes, recipe: CurationRecipe) -> tuple[str, str]:
    if has_other_metadata(body, expected):
        return "re-encoded", f"its pixels are the rendered ones, with other metadata: {REBUILD}"
    if _is_saved_again(body, expected, recipe):
        return "re-encoded", f"it was saved again as it was rendered: {REBUILD}"
    if share_in_place(body, expected) >= _IN_PLACE:
        return "corrupt", f"it was damaged, since its other bytes are in place: {REBUILD}"
    with Image.open(BytesIO(body)) as one, Image.open(BytesIO(expected)) as other:
        found, wanted = one.convert("RGB"), other.convert("RGB")
    difference = _differences(found, wanted)
    if not difference.any():
        return "re-encoded", f"its pixels are the rendered ones in other bytes: {REBUILD}"
    blocks = 2 * (-(-recipe.side_px // _BLOCK_PX),)
    box = Image.Resampling.BOX  # Averages out what compression adds.
    if _differences(found.resize(blocks, box), wanted.resize(blocks, box)).max() <= _SAME_LEVELS:
        by = f"its pixels differ by {difference.mean():.2f} of 255 in the mean"
        return "re-encoded", f"it is the same picture, compressed again ({by}): {REBUILD}"
    return "corrupt", f"it shows something else than its original: {REBUILD}"


def _is_saved_again(body: bytes, expected: bytes, recipe: CurationRecipe) -> bool:
    """Whether these are the bytes of the rendered picture, decoded and rendered once more."""
    with Image.open(BytesIO(expected)) as rendered:
        return to_jpeg(rendered.convert("RGB"), recipe) == body


def _differences(one: Image.Image, other: Image.Image) -> NDArray[np.int16]:
    difference: NDArray[np.int16] = np.abs(np.asarray(one, np.int16) - np.asarray(other, np.int16))
    return difference


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
