"""Decoding: bytes of any origin into one small upright RGB picture, or the reason why not.

Pillow's decoder is asked once, at a reduced scale where the format allows it (JPEG), and
everything afterwards happens to the small picture. Bytes from the web are hostile: whatever
they are, the answer is a picture or a reason, never an exception and never a warning.
"""

from __future__ import annotations

import contextlib
import functools
import importlib.metadata
import logging
import os
import struct
import threading
import warnings
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from io import BytesIO

import numpy as np
from PIL import Image, UnidentifiedImageError, features

from curation import deep_jpegs, jpegs, reasons
from curation.boxes import is_cut
from curation.coding import JPEGS, coded_bytes
from curation.colours import srgb
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

_BYTES_A_PIXEL = {
    "JPEG": 8,
    deep_jpegs.FORMAT: 23,
    "WEBP": 17,
    "AVIF": 12,
    "HEIF": 8,
    "JPEG2000": 25,
    "TIFF": 8,
}
_BYTES_OF_OTHERS = 5
"""Of memory, while a picture is decoded; see `Header.decoder_bytes`."""
_HEAVY_BYTES = 150_000_000

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

_PALETTES = frozenset({"1", "P", "PA"})
"""Modes of which a pixel is one of a few colours."""
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
    has_palette: bool = False
    """It has 256 colours at most."""
    is_shrunk: bool = False
    """A decoder makes it smaller on the way: a JPEG that is neither progressive nor lossless."""

    @property
    def decoder_bytes(self) -> int:
        """Of memory that decoding takes, by its format; next to nothing is 0.

        As `benchmarks/memory.py` measures it, of the dearest kind of each.
        """
        if self.is_shrunk:
            return 0
        return self.width * self.height * _BYTES_A_PIXEL.get(self.format, _BYTES_OF_OTHERS)

    @property
    def is_heavy(self) -> bool:
        """Whether decoding takes so much memory that it is better not done twice at once."""
        return self.decoder_bytes > _HEAVY_BYTES


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    """An upright RGB picture, as small as its uses allow, and its header."""

    header: Header
    picture: Image.Image
    coded_bytes: int
    """See `curation.coding`."""


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
    for name in ("pillow_heif", deep_jpegs.PACKAGE):
        with contextlib.suppress(importlib.metadata.PackageNotFoundError):
            versions[name] = importlib.metadata.version(name)
    return {name: str(version or "") for name, version in versions.items()}


def _decode(body: bytes, recipe: CurationRecipe, refuse: Callable[[Header], str]) -> Decoded | str:
    is_deep = bool(deep_jpegs.bits(body)) and deep_jpegs.can_be_read()
    shown = jpegs.as_of_8_bits(body) if is_deep else body
    with Image.open(BytesIO(shown), formats=_formats()) as image:
        header = _header(image, body)
        if refusal := refuse(header):
            return refusal
        if header.width * header.height > recipe.max_pixels:
            return f"{reasons.TOO_LARGE}: {header.width} × {header.height} px"
        if is_cut(body):
            return reasons.TRUNCATED
        if image.format in JPEGS and (objection := _load_jpeg(image, body, recipe)):
            return objection
        if image.format == "PNG":
            header = _load_png(image, header)
        whole = deep_jpegs.loaded(image, body) if is_deep else _loaded(image)
        coded = coded_bytes(whole, body, recipe.background)
        picture = srgb(whole, _spare_factor(image.size, recipe), recipe.background)
    transposition = _TRANSPOSITIONS.get(header.orientation)
    if transposition is not None:  # To mirror is number 0.
        picture = picture.transpose(transposition)
    return Decoded(header=header, picture=picture, coded_bytes=coded)


def _loaded(image: Image.Image) -> Image.Image:
    with _quiet_libtiff() if image.format == "TIFF" else contextlib.nullcontext():
        image.load()
    return image


@functools.cache
def _formats() -> tuple[str, ...]:
    """What is read here. HEIC is, where the extra `heic` brings its decoder."""
    Image.init()
    with contextlib.suppress(ImportError):
        import pillow_heif

        pillow_heif.register_heif_opener(thumbnails=False)
    return tuple(name for name in FORMATS if name in Image.OPEN)


def _header(image: Image.Image, body: bytes) -> Header:
    orientation = _orientation(image)
    width, height = image.size
    if orientation in _SIDEWAYS:
        width, height = height, width
    is_jpeg = image.format in JPEGS  # Of several pictures in one, the first is the photo.
    is_deep = bool(deep_jpegs.bits(body))
    return Header(
        format=deep_jpegs.FORMAT if is_deep else "JPEG" if is_jpeg else image.format or "",
        width=width,
        height=height,
        orientation=orientation,
        frames=1 if is_jpeg else int(getattr(image, "n_frames", 1)),
        has_palette=image.mode in _PALETTES,
        is_shrunk=is_jpeg
        and not is_deep
        and not image.info.get("progressive")
        and not jpegs.outline(body).is_lossless,
    )


def _load_png(image: Image.Image, header: Header) -> Header:
    """Decode a PNG; its header, with the orientation that may come after the picture."""
    had_exif = "exif" in image.info
    # Of what follows a picture Pillow complains once, and has the picture then.
    with contextlib.suppress(*_DECODER_FAILURES):
        image.load()
    if had_exif or "exif" not in image.info:
        return header
    late = Image.Exif()
    with contextlib.suppress(*_DECODER_FAILURES):
        late.load(image.info["exif"])
        return _turned(header, _known(late.get(_ORIENTATION_TAG, 1)))
    return header


def _turned(header: Header, orientation: int) -> Header:
    """The header of a picture that lies otherwise than it seemed at first."""
    sides = header.width, header.height
    if (header.orientation in _SIDEWAYS) != (orientation in _SIDEWAYS):
        sides = sides[::-1]
    return replace(header, width=sides[0], height=sides[1], orientation=orientation)


def _orientation(image: Image.Image) -> int:
    if image.format == "TIFF":
        return 1  # Pillow turns TIFF upright by itself when it loads, and reports that size.
    try:
        # A PNG's own way to its EXIF would decode it first.
        orientation = Image.Image.getexif(image).get(_ORIENTATION_TAG, 1)
    except _DECODER_FAILURES:
        return 1  # Broken metadata around a good picture.
    return _known(orientation)


def _known(orientation: object) -> int:
    return orientation if isinstance(orientation, int) and orientation in _TRANSPOSITIONS else 1


def _wanted_size(size: tuple[int, int], recipe: CurationRecipe) -> tuple[int, int]:
    """The smallest size that still serves rendering and measuring, in the file's aspect."""
    shorter, longer = min(size), max(size)
    scale = MEASURED_SIDE_PX / shorter
    edge = longer if recipe.fit == "pad" else shorter
    scale = min(1.0, max(scale, recipe.side_px / edge))
    return max(1, round(size[0] * scale)), max(1, round(size[1] * scale))


def _spare_factor(size: tuple[int, int], recipe: CurationRecipe) -> int:
    """By how much the picture may be reduced, before costly conversions, and not be missed."""
    wanted = _wanted_size(size, recipe)
    return min(size[0] // wanted[0], size[1] // wanted[1]) // 2


def _load_jpeg(image: Image.Image, body: bytes, recipe: CurationRecipe) -> str:
    """Decode at a reduced scale; say why it cannot be used, if so."""
    if (scans := jpegs.scans(body)) > jpegs.MAX_SCANS:
        return f"{reasons.CORRUPT}: {scans} scans"
    if deep_jpegs.bits(body):
        return ""
    wanted = _wanted_size(image.size, recipe)
    if not jpegs.outline(body).is_lossless:
        image.draft(None, wanted)
    image.load()
    return reasons.TRUNCATED if _ends_grey(image) and _is_cut(image, body, wanted) else ""


def _ends_grey(image: Image.Image) -> bool:
    """Whether the last pixel is what libjpeg makes of missing data."""
    corner = image.getpixel((image.width - 1, image.height - 1))
    return set(corner if isinstance(corner, tuple) else (corner,)) == {128}


def _is_cut(image: Image.Image, body: bytes, wanted: tuple[int, int]) -> bool:
    """Whether a JPEG ends before its picture does, though it has an end: by trying more data."""
    longer = jpegs.prolonged(body)
    if longer is None:
        return False
    with Image.open(BytesIO(longer), formats=("JPEG",)) as again:
        again.draft(None, wanted)
        again.load()
        return again.size == image.size and again.tobytes() != image.tobytes()


def _reason(error: BaseException, body: bytes) -> str:
    if isinstance(error, UnidentifiedImageError):
        return _unidentified(body)
    is_truncated = "truncated" in str(error).lower() or is_cut(body)
    return reasons.TRUNCATED if is_truncated else reasons.CORRUPT


def _unidentified(body: bytes) -> str:
    if body[4:8] == b"ftyp" and body[8:12] in _HEIF_BRANDS:
        if "HEIF" not in Image.OPEN:
            return f"{reasons.UNSUPPORTED}: {_HEIC_HINT}"
        return reasons.TRUNCATED if is_cut(body) else reasons.CORRUPT
    if is_cut(body):
        return reasons.TRUNCATED
    if bits := deep_jpegs.bits(body):
        hint = "" if deep_jpegs.can_be_read() else f" ({deep_jpegs.HINT})"
        return f"{reasons.UNSUPPORTED}: JPEG of {bits} bits a sample{hint}"
    is_image = body.startswith(_SIGNATURES) or body[8:12] == b"WEBP" or body[4:8] == b"ftyp"
    return reasons.CORRUPT if is_image else reasons.NOT_AN_IMAGE


_HEIF_BRANDS = frozenset({b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx", b"mif1", b"msf1"})
_HEIC_HINT = "HEIC (pip install bestiary[heic])"
_SIGNATURES = (
    *(b"\xff\xd8\xff", b"\x89PNG\r\n\x1a\n", b"GIF87a", b"GIF89a", b"BM"),
    *(b"II*\0", b"MM\0*", b"\0\0\0\x0cjP  ", b"\xff\x4f\xff\x51"),
)
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


@contextlib.contextmanager
def _quiet_libtiff() -> Iterator[None]:
    """Keep libtiff's own lines about broken files off stderr, which it writes to directly.

    For a moment nothing else can write there either; a worker's stderr goes nowhere anyway.
    """
    with _libtiff_lock:
        try:
            stderr = os.dup(2)
        except OSError:  # Closed: nothing to keep quiet.
            yield
            return
        try:
            with open(os.devnull, "wb") as nowhere:  # noqa: PTH123 - `os.devnull` is no path.
                os.dup2(nowhere.fileno(), 2)
            yield
        finally:
            os.dup2(stderr, 2)
            os.close(stderr)


_libtiff_lock = threading.Lock()
