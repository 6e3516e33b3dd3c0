"""What bytes are, told by the bytes alone: names and headers lie."""

from __future__ import annotations

import re

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
