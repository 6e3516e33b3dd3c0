"""What bytes are, told by the bytes alone: names and headers lie."""

from __future__ import annotations

import re
import struct
from collections.abc import Callable

_IMAGE_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"\xff\xd8\xff", "image/jpeg"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"GIF87a", "image/gif"),
    (b"GIF89a", "image/gif"),
    (b"II*\x00", "image/tiff"),
    (b"MM\x00*", "image/tiff"),
    (b"II+\x00", "image/tiff"),
    (b"MM\x00+", "image/tiff"),
    (b"\x00\x00\x01\x00", "image/x-icon"),
    (b"\xff\x0a", "image/jxl"),
    (b"\x00\x00\x00\x0cJXL \r\n\x87\n", "image/jxl"),
    (b"\x00\x00\x00\x0cjP  \r\n\x87\n", "image/jp2"),
    (b"\xff\x4f\xff\x51", "image/jp2"),
    (b"8BPS", "image/vnd.adobe.photoshop"),
)
_OTHER_MAGIC: tuple[tuple[bytes, str], ...] = (
    (b"%PDF-", "PDF"),
    (b"PK\x03\x04", "ZIP"),
    (b"\x1f\x8b", "GZIP"),
    (b"Rar!", "RAR"),
    (b"\x1aE\xdf\xa3", "video"),
    (b"OggS", "Ogg media"),
    (b"ID3", "MP3"),
    (b"MZ", "a Windows program"),
    (b"\x7fELF", "a program"),
    (b"SQLite format 3\x00", "an SQLite database"),
)
_PORTABLE_MAP = re.compile(rb"P[1-6][\s#]")
_MARKUP: tuple[tuple[re.Pattern[bytes], str], ...] = (
    (re.compile(rb"<svg[\s>]", re.IGNORECASE), "SVG"),
    (
        re.compile(rb"<(?:!doctype\s+html|html|head|body|script|meta|title)\b", re.IGNORECASE),
        "HTML",
    ),
    (re.compile(rb"<\?xml|<[a-z][\w:-]*[\s>/]", re.IGNORECASE), "XML"),
)
_HEIF_BRANDS = {
    b"avif": "image/avif",
    b"avis": "image/avif",
    b"heic": "image/heic",
    b"heix": "image/heic",
    b"hevc": "image/heic",
    b"mif1": "image/heif",
    b"msf1": "image/heif",
}
_HEAD_BYTES = 1024


def image_type(body: bytes) -> str | None:
    """The media type of an image's bytes; None where they are no image that can be decoded.

    The first bytes decide, so a broken image is still an image: curation judges it.
    """
    for magic, name in _IMAGE_MAGIC:
        if body.startswith(magic):
            return name
    if body[:4] == b"RIFF" and body[8:12] == b"WEBP":
        return "image/webp"
    if body[4:8] == b"ftyp":
        return _HEIF_BRANDS.get(body[8:12])
    if body.startswith(b"BM") and len(body) >= 26 and body[14:18] in _BITMAP_HEADERS:
        return "image/bmp"
    return "image/x-portable-anymap" if _PORTABLE_MAP.match(body) else None


_BITMAP_HEADERS = {size.to_bytes(4, "little") for size in (12, 16, 40, 52, 56, 64, 108, 124)}


def pixel_size(body: bytes) -> tuple[int, int] | None:
    """Width and height as the header of an image states them; None where it is not read.

    Nothing is decoded, so it costs nothing to ask this of a hostile file; the first bytes of
    one often suffice. Formats in which bombs are rare are not read.
    """
    for magic, read in _SIZES:
        if body.startswith(magic):
            try:
                return read(body)
            except (struct.error, IndexError):
                return None
    start = body.find(b"ispe", 0, _HEAD_BYTES) if body[4:8] == b"ftyp" else -1
    return _numbers(">II", body, start + 8) if 0 < start <= len(body) - 16 else None


def _numbers(form: str, body: bytes, start: int) -> tuple[int, int]:
    first, second = struct.unpack_from(form, body, start)
    return first, second


def _jpeg_size(body: bytes) -> tuple[int, int] | None:
    """Go from segment to segment to the one that begins the frame."""
    place = 2
    while body[place] == 0xFF:
        marker = body[place + 1]
        if marker in _JPEG_FRAMES:
            height, width = _numbers(">HH", body, place + 5)
            return width, height
        if marker == 0xFF:
            place += 1
        elif marker == 0x01 or 0xD0 <= marker <= 0xD8:
            place += 2
        else:
            place += 2 + struct.unpack_from(">H", body, place + 2)[0]
    return None


def _webp_size(body: bytes) -> tuple[int, int] | None:
    match body[12:16]:
        case b"VP8X":
            width, height = (int.from_bytes(body[at : at + 3], "little") for at in (24, 27))
            return width + 1, height + 1
        case b"VP8L":
            (bits,) = struct.unpack_from("<I", body, 21)
            return (bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1
        case b"VP8 ":
            width, height = _numbers("<HH", body, 26)
            return width & 0x3FFF, height & 0x3FFF
    return None


def _tiff_size(body: bytes) -> tuple[int, int] | None:
    """Look for the two numbers in the first directory."""
    order = "<" if body.startswith(b"II") else ">"
    (place,) = struct.unpack_from(f"{order}I", body, 4)
    (entries,) = struct.unpack_from(f"{order}H", body, place)
    found: dict[int, int] = {}
    for at in range(place + 2, place + 2 + 12 * entries, 12):
        tag, kind = _numbers(f"{order}HH", body, at)
        if tag in {256, 257}:
            form = "H" if kind == 3 else "I"
            (found[tag],) = struct.unpack_from(f"{order}{form}", body, at + 8)
    return (found[256], found[257]) if len(found) == 2 else None


def _bitmap_size(body: bytes) -> tuple[int, int]:
    is_old = body[14:18] == b"\x0c\x00\x00\x00"
    width, height = _numbers("<HH" if is_old else "<ii", body, 18)
    return abs(width), abs(height)


_JPEG_FRAMES = frozenset(range(0xC0, 0xD0)) - {0xC4, 0xC8, 0xCC}
_SIZES: tuple[tuple[bytes, Callable[[bytes], tuple[int, int] | None]], ...] = (
    (b"\xff\xd8\xff", _jpeg_size),
    (b"\x89PNG\r\n\x1a\n", lambda body: _numbers(">II", body, 16)),
    (b"GIF8", lambda body: _numbers("<HH", body, 6)),
    (b"RIFF", _webp_size),
    (b"II*\x00", _tiff_size),
    (b"MM\x00*", _tiff_size),
    (b"BM", _bitmap_size),
    (b"8BPS", lambda body: _numbers(">II", body, 14)[::-1]),
)


def other_kind(body: bytes) -> str:
    """A name for bytes that are no image, to put behind "not an image: "."""
    if not body:
        return "empty"
    for magic, name in _OTHER_MAGIC:
        if body.startswith(magic):
            return name
    if body[4:8] == b"ftyp" or body[:4] == b"RIFF":
        return "video or sound"
    return _text_kind(body[:_HEAD_BYTES]) or "unknown bytes"


def _text_kind(head: bytes) -> str:
    text = _as_ascii(head)
    if b"\x00" in text:
        return ""
    if text.startswith(b"<"):
        return next((name for pattern, name in _MARKUP if pattern.search(text)), "text")
    if text.startswith((b"{", b"[")):
        return "JSON"
    printable = sum(byte >= 32 or byte in b"\t\n\r\f" for byte in text)
    return "text" if printable >= 0.95 * len(text) else ""


def _as_ascii(head: bytes) -> bytes:
    """The head without a byte-order mark, UTF-16 told from plain text, and no space before it."""
    for mark, encoding in ((b"\xff\xfe", "utf-16-le"), (b"\xfe\xff", "utf-16-be")):
        if head.startswith(mark):
            return head[2:].decode(encoding, "replace").encode().lstrip()
    return head.removeprefix(b"\xef\xbb\xbf").lstrip()
