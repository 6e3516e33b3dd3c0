"""Rendering: of any image's bytes, the square RGB picture that the dataset holds."""

from __future__ import annotations

from io import BytesIO

from PIL import Image

from curation.decode import decode
from curation.errors import UnusableImageError
from curation.recipe import CurationRecipe

REDUCING_GAP = 2.0
"""Pillow's: pictures more than so many times too large are first made smaller in whole steps."""


def render(body: bytes, recipe: CurationRecipe, *, through_jpeg: bool = True) -> Image.Image:
    """Make the RGB picture, `side_px` square, that the dataset would hold of these bytes.

    It has been through the dataset's JPEG too, so a model sees at prediction what it saw
    in training, to the last value: not so for one that learnt of pictures that were no JPEG.
    How small or narrow the image is does not matter here.

    Raises:
        UnusableImageError: the bytes are no image that can be decoded.
    """
    decoded = decode(body, recipe)
    if isinstance(decoded, str):
        raise UnusableImageError(decoded)
    square = fitted(decoded.picture, recipe)
    if not through_jpeg:
        return square
    with Image.open(BytesIO(to_jpeg(square, recipe))) as image:
        image.load()
        return image.copy()


def fitted(picture: Image.Image, recipe: CurationRecipe) -> Image.Image:
    """Make an upright RGB picture of any size `side_px` square, as `recipe.fit` says."""
    side = recipe.side_px
    width, height = fitted_size(picture.size, recipe)
    box = crop_box(picture.size) if recipe.fit == "crop" else None
    small = picture.resize(
        (width, height), Image.Resampling.BICUBIC, box=box, reducing_gap=REDUCING_GAP
    )
    if small.size == (side, side):
        return small
    square = Image.new("RGB", (side, side), recipe.background)
    square.paste(small, ((side - width) // 2, (side - height) // 2))
    return square


def fitted_size(size: tuple[int, int], recipe: CurationRecipe) -> tuple[int, int]:
    """Width and height in pixels that a picture of `size` has inside the square."""
    if recipe.fit != "pad":
        return recipe.side_px, recipe.side_px
    scale = recipe.side_px / max(size)
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def crop_box(size: tuple[int, int]) -> tuple[float, float, float, float]:
    """The largest square in the middle of a picture of `size`."""
    width, height = size
    side = min(size)
    left, top = (width - side) / 2, (height - side) / 2
    return left, top, left + side, top + side


def to_jpeg(square: Image.Image, recipe: CurationRecipe) -> bytes:
    """Encode a rendered picture; the same pixels give the same bytes."""
    file = BytesIO()
    # Without the comment that an original may have had.
    square.save(file, "JPEG", quality=recipe.jpeg_quality, subsampling=0, comment=b"")
    return file.getvalue()
