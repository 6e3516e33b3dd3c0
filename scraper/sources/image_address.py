"""Which addresses on a results page can be a full-size image, and which never are."""

from __future__ import annotations

import re
from functools import lru_cache
from urllib.parse import SplitResult, urlsplit

_SIZED = re.compile(r"=[a-z]{1,2}(\d{1,4})(?:-[a-z0-9]+)*$")
_UNICODE_ESCAPE = re.compile(r"\\u00([0-9a-fA-F]{2})")
_NOT_PRINTED = re.compile(r"[\x00-\x1f\x7f\ud800-\udfff]+")
_GOOGLE_HOST = re.compile(r"(?:^|\.)(?:google\.(?:[a-z]{2,3}|com?\.[a-z]{2})|gstatic\.com)$")
_MIN_FULL_SIDE_PX = 1000
_PICTURE_NAME = re.compile(r"\.(?:jpe?g|png|gif|webp|bmp|avif|tiff?)$", re.IGNORECASE)


def clean(value: object) -> str:
    """A text that can be stored and printed: no control characters, no half characters."""
    return _NOT_PRINTED.sub(" ", value).strip() if isinstance(value, str) else ""


@lru_cache(maxsize=4096)
def _split(address: str) -> SplitResult | None:
    try:
        parts = urlsplit(address)
        is_web = parts.scheme in {"http", "https"} and bool(parts.hostname)
    except ValueError:
        return None
    return parts if is_web else None


def web_address(value: object) -> str:
    """An absolute http(s) address; empty where `value` is none."""
    if not isinstance(value, str):
        return ""
    address = clean(value)
    if "\\u00" in address:  # Some scripts quote twice.
        address = _UNICODE_ESCAPE.sub(lambda match: chr(int(match[1], 16)), address)
    if address.startswith("//"):
        address = f"https:{address}"
    return address if _split(address) and " " not in address else ""


def host(address: str) -> str:
    """The host of a web address, in lower case."""
    parts = _split(address)
    return (parts.hostname or "") if parts else ""


def is_google(address: str) -> bool:
    """Whether an address is one of the search site's own pages, in any country."""
    return _GOOGLE_HOST.search(host(address)) is not None


def is_thumbnail(value: object) -> bool:
    """Whether an address is a preview, an icon or a decoration, not the image itself."""
    address = web_address(value)
    parts = _split(address)
    if parts is None:
        return isinstance(value, str) and value.startswith("data:")
    name, path = parts.hostname or "", parts.path.lower()
    return (
        name.startswith("encrypted-tbn")
        or f".{name}".endswith(".gstatic.com")
        or ("tbn:" in parts.query and path.endswith("/images"))
        or "favicon" in path
        or "/logos/doodles/" in path
        or (is_google(address) and path.startswith(("/images/", "/logos/", "/s2/")))
        or (f".{name}".endswith((".googleusercontent.com", ".ggpht.com")) and _is_sized_down(path))
    )


def full_size(value: object) -> str:
    """The address where it can be a full-size image; empty where it cannot."""
    address = web_address(value)
    if not address or is_thumbnail(address):
        return ""
    is_page = is_google(address) and urlsplit(address).path in {"/imgres", "/search", "/url", "/"}
    return "" if is_page else address


def names_a_picture(value: object) -> str:
    """The address where it can be a full-size image and its name says so, else empty."""
    address = full_size(value)
    return address if address and _PICTURE_NAME.search(urlsplit(address).path) else ""


def _is_sized_down(path: str) -> bool:
    match = _SIZED.search(path)
    return match is not None and 0 < int(match[1]) < _MIN_FULL_SIDE_PX
