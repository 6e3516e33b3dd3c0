"""Colours: a decoded picture of any mode as opaque sRGB of 8 bits, shrunk on the way.

A picture of 50 megapixels may be large in memory once, as the decoder left it, and never
again: what cannot be reduced as it is, is converted and reduced a band at a time.
"""

from __future__ import annotations

import functools
from collections.abc import Iterator
from io import BytesIO

import numpy as np
from PIL import Image, ImageCms

_REDUCIBLE = frozenset({"L", "RGB", "CMYK", "YCbCr"})
"""Modes whose pixels may be averaged as they are."""
_BAND_PX = 2**20
_MAX_PROFILE_BYTES = 8 * 2**20
"""A larger profile is no profile: those of printers have 3 MB."""

_PROBED = 6
"""Values of red, green and blue each, with which a profile is tried …"""
_AS_GOOD_AS_EQUAL = 3
"""… and by how much what comes out may differ, where there is nothing to do."""

Colour = tuple[int, int, int]
Levels = tuple[float, float]
"""What is black and what is white, in a picture of more than 8 bits."""


def srgb(image: Image.Image, factor: int, background: Colour) -> Image.Image:
    """The picture in sRGB on an opaque background, reduced by a whole factor."""
    levels = _levels(image)
    if factor <= 1:
        small = _opaque(image, levels, background)
    elif image.mode in _REDUCIBLE and not image.has_transparency_data:
        small = image.reduce(factor)
    else:
        small = _reduced(image, factor, levels, background)
    return _to_srgb(small, image.info.get("icc_profile"))


def opaque(picture: Image.Image, background: Colour) -> Image.Image:
    """The picture in 8 bits and without transparency, whatever colours its values mean."""
    return _opaque(picture, _levels(picture), background)


def _reduced(image: Image.Image, factor: int, levels: Levels, background: Colour) -> Image.Image:
    width, height = -(-image.width // factor), -(-image.height // factor)
    small: Image.Image | None = None
    for top, band in _bands(image, factor):
        part = _opaque(band, levels, background).reduce(factor)
        small = small or Image.new(part.mode, (width, height))
        small.paste(part, (0, top // factor))
    assert small is not None
    return small


def _bands(image: Image.Image, factor: int = 1) -> Iterator[tuple[int, Image.Image]]:
    """Copies of some rows at a time, a multiple of the factor, and where they begin."""
    rows = max(1, _BAND_PX // (image.width * factor)) * factor
    for top in range(0, image.height, rows):
        yield top, image.crop((0, top, image.width, min(top + rows, image.height)))


def _opaque(picture: Image.Image, levels: Levels, background: Colour) -> Image.Image:
    """The picture in 8 bits and without transparency, in a mode that can be averaged."""
    picture = _in_8_bits(picture, levels)
    if picture.has_transparency_data:
        rgba = picture.convert("RGBA")
        ground = Image.new("RGBA", rgba.size, (*background, 255))
        return Image.alpha_composite(ground, rgba).convert("RGB")
    if picture.mode == "LAB":
        return _to_srgb(picture, None)
    return picture if picture.mode in _REDUCIBLE else picture.convert("RGB")


def _is_deep(image: Image.Image) -> bool:
    return image.mode.startswith(("I", "F"))


def _levels(image: Image.Image) -> Levels:
    if not _is_deep(image) or image.mode.startswith("I;16"):
        return 0.0, 65535.0
    # No full scale is stated: take 1, 8 or 16 bits where they hold, else what occurs.
    ranges = [(values.min(), values.max()) for values in map(_finite, _each_band(image))]
    low = min(0.0, *(float(low) for low, _ in ranges))
    top = max(float(high) for _, high in ranges)
    scales = (*((1.0,) if image.mode.startswith("F") else ()), 255.0, 65535.0)
    return low, next((full for full in scales if top <= full), top)


def _each_band(image: Image.Image) -> Iterator[Image.Image]:
    return (band for _, band in _bands(image))


def _finite(picture: Image.Image) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    return np.nan_to_num(np.asarray(picture).astype(np.float64), posinf=0.0, neginf=0.0)


def _in_8_bits(picture: Image.Image, levels: Levels) -> Image.Image:
    if not _is_deep(picture):
        return picture
    low, high = levels
    within = (_finite(picture) - low) * (255.0 / max(high - low, 1e-9))
    return Image.fromarray(np.clip(np.rint(within), 0, 255).astype(np.uint8))


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the embedded colour profile; without a usable one, by Pillow's own rule."""
    if picture.mode == "LAB":
        profile = profile or _lab()
    if not profile or len(profile) > _MAX_PROFILE_BYTES:
        return picture.convert("RGB")
    transform = _transform(profile, picture.mode)
    converted = ImageCms.applyTransform(picture, transform) if transform else None
    return converted or picture.convert("RGB")


@functools.lru_cache(maxsize=8)
def _transform(profile: bytes, mode: str) -> ImageCms.ImageCmsTransform | None:
    """From this profile to sRGB; None where there is nothing to do, or it cannot be done.

    A profile may be for another kind of picture than this one.
    """
    try:
        source = ImageCms.ImageCmsProfile(BytesIO(profile))
        target = ImageCms.createProfile("sRGB")
        transform = ImageCms.buildTransform(source, target, mode, "RGB")
        return None if mode == "RGB" and _changes_nothing(transform) else transform
    except (OSError, TypeError, ImageCms.PyCMSError):
        return None


def _changes_nothing(transform: ImageCms.ImageCmsTransform) -> bool:
    """Whether it is one of the many profiles of sRGB: these have its name, and so have others."""
    values = np.linspace(0, 255, _PROBED).round().astype(np.uint8)
    probe = np.stack(np.meshgrid(values, values, values), axis=-1).reshape(1, -1, 3)
    seen = np.asarray(ImageCms.applyTransform(Image.fromarray(probe), transform))
    return int(np.abs(seen.astype(np.int64) - probe).max()) <= _AS_GOOD_AS_EQUAL


def _lab() -> bytes:
    return ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB")).tobytes()
