"""Decoding: bytes of any origin into one small upright RGB picture, or the reason why not.

Pillow's decoder is asked once, at a reduced scale where the format allows it (JPEG), and
everything afterwards happens to the small picture. Bytes from the web are hostile: whatever
they are, the answer is a picture or a reason, never an exception and never a warning.
"""

from __future__ import annotations

import contextlib
import functools
import logging
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageCms, UnidentifiedImageError, features

from curation import reasons
from curation.recipe import CurationRecipe

FORMATS = (
    *("JPEG", "PNG", "WEBP", "AVIF", "HEIF", "GIF", "TIFF", "BMP", "DIB", "PPM", "JPEG2000"),
    *("ICO", "ICNS"),
)
"""What is read, by content, where Pillow was built with it or a plugin adds it.

Nothing that starts another program (EPS) or hardly has a signature of its own (TGA).
"""

MEASURED_SIDE_PX = 160
"""The shorter side that hashes and measures want; rendering may want more."""

_DECODER_FAILURES = (
    OSError,  # Truncated or broken data; UnidentifiedImageError is one.
    ValueError,  # Tiles, text chunks or palettes that make no sense.
    SyntaxError,  # How Pillow's plugins say "not my format", also from late chunks.
    TypeError,  # Metadata of a type that the plugin did not expect.
    KeyError,  # An unknown mode, tag or compression.
    IndexError,  # A table shorter than it claims.
    AttributeError,  # A plugin that met a chunk before the one it depends on.
    AssertionError,  # TIFF and ICNS state their expectations this way.
    EOFError,  # An animation without a first frame.
    OverflowError,  # A number too large for C.
    RuntimeError,  # AVIF's and WebP's way to report a broken stream.
    ZeroDivisionError,  # A resolution or a size of zero.
    RecursionError,  # Metadata nested in itself.
    struct.error,
    zlib.error,
)
"""What Pillow's plugins are known to raise over hostile bytes. Its documentation promises
OSError alone; its tests and its issues show the rest."""

_TRANSPOSITIONS = {
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
"""What makes a picture with this EXIF orientation upright."""

_LOSSLESS_JPEG = b"\xff\xc3"
"""A frame that libjpeg decodes, but not at a reduced scale."""

_SIDEWAYS = frozenset({5, 6, 7, 8})
_ORIENTATION_TAG = 0x0112


@dataclass(frozen=True, slots=True, kw_only=True)
class Header:
    """What a file says of itself before anything is decoded."""

    format: str
    width: int
    """Pixels, upright."""
    height: int
    orientation: int
    """EXIF, 1 to 8; 1 where Pillow itself makes the picture upright."""
    frames: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An upright RGB picture, as small as its uses allow, and its header."""

    header: Header
    picture: Image.Image


def decode(
    body: bytes, recipe: CurationRecipe, *, refuse: Callable[[Header], str] = lambda _: ""
) -> Decoded | str:
    """Decode the first frame, or say why not (a reason, see `curation.reasons`).

    `refuse` judges the header; what it answers, if anything, is the reason, and nothing
    is decoded.
    """
    if not body:
        return reasons.EMPTY
    with _without_pillow_warnings():
        try:
            return _decode(body, recipe, refuse)
        except Image.DecompressionBombError:
            return reasons.TOO_LARGE
        except MemoryError:
            return reasons.TOO_MUCH_MEMORY
        except _DECODER_FAILURES as error:
            return _reason(error, body)


def libraries() -> dict[str, str]:
    """Versions of what shapes pixels and hashes."""
    versions = {"numpy": np.__version__, "pillow": features.version("pil")}
    for name in ("libjpeg_turbo", "webp", "avif", "littlecms2"):
        versions[name] = features.version(name)
    return {name: str(version or "") for name, version in versions.items()}


def _decode(body: bytes, recipe: CurationRecipe, refuse: Callable[[Header], str]) -> Decoded | str:
    with Image.open(BytesIO(body), formats=_formats()) as image:
        header = _header(image)
        if refusal := refuse(header):
            return refusal
        if header.width * header.height > recipe.max_pixels:
            return f"{reasons.TOO_LARGE}: {header.width} × {header.height} px"
        if _LOSSLESS_JPEG not in body[:65536]:
            image.draft(None, _wanted_size(image.size, recipe))
        image.load()
        picture = _to_rgb(_shrunk(image, recipe), image, recipe.background)
    if transposition := _TRANSPOSITIONS.get(header.orientation):
        picture = picture.transpose(transposition)
    return Decoded(header=header, picture=picture)


@functools.cache
def _formats() -> tuple[str, ...]:
    Image.init()
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _header(image: Image.Image) -> Header:
    orientation = _orientation(image)
    width, height = image.size
    if orientation in _SIDEWAYS:
        width, height = height, width
    return Header(
        format=image.format or "",
        width=width,
        height=height,
        orientation=orientation,
        frames=int(getattr(image, "n_frames", 1)),
    )


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow turns TIFF upright by itself when it loads, and reports that size.
    try:
        orientation = image.getexif().get(_ORIENTATION_TAG, 1)
    except _DECODER_FAILURES:
        return 1  # Broken metadata around a good picture.
    return orientation if orientation in _TRANSPOSITIONS else 1


def _wanted_size(size: tuple[int, int], recipe: CurationRecipe) -> tuple[int, int]:
    """The smallest size that still serves rendering and measuring, in the file's aspect."""
    shorter, longer = min(size), max(size)
    scale = MEASURED_SIDE_PX / shorter
    edge = longer if recipe.fit == "pad" else shorter
    scale = min(1.0, max(scale, recipe.side_px / edge))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _shrunk(image: Image.Image, recipe: CurationRecipe) -> Image.Image:
    """Reduce by a whole factor what the decoder could not, before costly conversions."""
    if image.mode not in {"L", "RGB", "RGBA", "CMYK", "LA"} or "transparency" in image.info:
        return image
    wanted = _wanted_size(image.size, recipe)
    factor = min(image.width // wanted[0], image.height // wanted[1]) // 2
    return image.reduce(factor) if factor > 1 else image


def _to_rgb(
    picture: Image.Image, source: Image.Image, background: tuple[int, int, int]
) -> Image.Image:
    """Bring a picture of any mode to sRGB on an opaque background."""
    picture = _to_8_bits(picture)
    if picture.has_transparency_data:
        picture = _flattened(picture.convert("RGBA"), background)
    elif picture.mode in {"1", "P", "PA"}:
        picture = picture.convert("RGB")
    return _to_srgb(picture, source.info.get("icc_profile"))


def _to_8_bits(picture: Image.Image) -> Image.Image:
    if not picture.mode.startswith(("I", "F")):
        return picture
    pixels = np.asarray(picture)
    if picture.mode.startswith("I;16"):
        low, high = 0.0, 65535.0
    else:  # No full scale is stated: take 8 or 16 bits where they hold, else what occurs.
        low = min(0.0, *(float(values.min()) for _, values in _strips(pixels)))
        top = max(float(values.max()) for _, values in _strips(pixels))
        high = next((full for full in (255.0, 65535.0) if top <= full), top)
    scaled = np.empty(pixels.shape, np.uint8)
    for rows, values in _strips(pixels):
        within = (values - low) * (255.0 / max(high - low, 1e-9))
        scaled[rows] = np.clip(np.rint(within), 0, 255).astype(np.uint8)
    return Image.fromarray(scaled)


def _strips(pixels: NDArray[Any]) -> Iterator[tuple[slice, NDArray[np.float64]]]:
    """The rows of a large picture a few at a time, as finite numbers: eight bytes a pixel."""
    for start in range(0, len(pixels), _STRIP_ROWS):
        rows = slice(start, start + _STRIP_ROWS)
        yield rows, np.nan_to_num(pixels[rows].astype(np.float64), posinf=0.0, neginf=0.0)


_STRIP_ROWS = 64


def _flattened(picture: Image.Image, background: tuple[int, int, int]) -> Image.Image:
    ground = Image.new("RGBA", picture.size, (*background, 255))
    return Image.alpha_composite(ground, picture).convert("RGB")


def _to_srgb(picture: Image.Image, profile: bytes | None) -> Image.Image:
    """Convert by the embedded colour profile; without a usable one, by Pillow's own rule."""
    source = _profile(profile) if profile else None
    if picture.mode == "LAB":
        source = source or ImageCms.ImageCmsProfile(ImageCms.createProfile("LAB"))
    if source is None or _is_srgb(source):
        return picture.convert("RGB")
    target = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB"))
    try:
        converted = ImageCms.profileToProfile(picture, source, target, outputMode="RGB")
    except ImageCms.PyCMSError:  # A profile for another kind of picture than this one.
        return picture.convert("RGB")
    return converted or picture


def _profile(profile: bytes) -> ImageCms.ImageCmsProfile | None:
    try:
        return ImageCms.ImageCmsProfile(BytesIO(profile))
    except (OSError, TypeError):
        return None


def _is_srgb(profile: ImageCms.ImageCmsProfile) -> bool:
    return "sRGB" in (profile.profile.profile_description or "")


def _reason(error: BaseException, body: bytes) -> str:
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(body)
    return reasons.TRUNCATED if "truncated" in str(error).lower() else reasons.CORRUPT


def _unidentified(body: bytes) -> str:
    if body[4:8] == b"ftyp" and body[8:12] in {b"heic", b"heix", b"hevc", b"mif1", b"msf1"}:
        return f"{reasons.UNSUPPORTED}: HEIC"
    if any(body.startswith(mark) for mark in _SIGNATURES):
        return reasons.CORRUPT
    return reasons.NOT_AN_IMAGE


_SIGNATURES = (b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM")
"""Beginnings that promise an image: what cannot be opened after them is a broken one."""

logging.getLogger("PIL").addHandler(logging.NullHandler())
"""Else what Pillow logs of broken files would reach stderr, through logging's last resort."""

_quiet_lock = threading.Lock()
_quiet_depth = 0
_quiet_state = contextlib.ExitStack()


@contextlib.contextmanager
def _without_pillow_warnings() -> Iterator[None]:
    """Silence what Pillow says of odd metadata, in every thread that decodes.

    The list of warning filters belongs to the process: the first to enter changes it and
    the last to leave restores it.
    """
    global _quiet_depth  # noqa: PLW0603 - guarded by the lock, as the filters themselves are global.
    with _quiet_lock:
        _quiet_depth += 1
        if _quiet_depth == 1:
            _quiet_state.enter_context(warnings.catch_warnings())
            warnings.filterwarnings("ignore", module=r"PIL\.|curation\.decode")
    try:
        yield
    finally:
        with _quiet_lock:
            _quiet_depth -= 1
            if _quiet_depth == 0:
                _quiet_state.close()
