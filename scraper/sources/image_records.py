"""The records of images that a results page carries in its scripts, found by their shape.

Two shapes are known. Lists, since 2020, anywhere inside any script:

    [0, "DOCID", ["https://encrypted-tbn0…", n, n], ["https://FULL", n, n], …, {"2003": […]}]

and objects, until 2020, in scripts or as the text of an element:

    {"id": "DOCID", "ou": FULL, "ow": …, "oh": …, "tu": THUMBNAIL, "ru": PAGE, "pt": TITLE}
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from scraper.sources.image_address import clean, full_size, is_thumbnail, web_address

_SCALARS = r'\[\s*+(?:(?:-?[\d.]++|null|true|false|"[^"\\]{0,128}+")\s*+,\s*+){1,8}+'
_LIST_RECORD = re.compile(_SCALARS + r'\[\s*+"https?:')
_OBJECT_RECORD = re.compile(r'\{(?=[^{}]*?"ou"\s*+:)')
_CUT_RECORD = re.compile(
    rf"(?P<scalars>{_SCALARS})"
    r'\[\s*+"(?P<thumbnail>https?:[^"]*+)"[^\]"]{0,40}+\]\s*+,\s*+'
    r'\[\s*+"(?P<full>https?:[^"]*+)"(?:\s*+,\s*+(?P<first>\d{1,6})\s*+,\s*+(?P<second>\d{1,6}))?'
)
_STRING = re.compile(r'"([^"\\]*+)"')
_HEX_ESCAPE = re.compile(r"\\x([0-9a-fA-F]{2})")
_QUOTED_ADDRESS = re.compile(r"""\\(?:["']|x22|x27|u0022|u0027)https?:""")
_MAX_QUOTINGS = 3
_MAX_BROKEN = 500
"""A script with more broken objects than this is no page's."""
_DECODE = json.JSONDecoder().raw_decode


class JsonText(str):
    """A text whose JSON may be broken in very many places.

    Each error of the decoder counts the lines before it, over the whole text; nobody asks.
    """

    __slots__ = ()

    def count(self, *_: object) -> int:
        """No lines."""
        return 0

    def rfind(self, *_: object) -> int:
        """No line's beginning."""
        return -1


@dataclass(frozen=True, slots=True, kw_only=True)
class ImageRecord:
    """What a script says about one image; what it does not say is empty or None."""

    docid: str = ""
    image_url: str = ""
    thumbnail_url: str = ""
    page_url: str = ""
    title: str = ""
    width: int | None = None
    height: int | None = None
    has_named_sides: bool = False
    """Whether it says which side is which; lists only list them."""
    is_likely: bool = False
    """Whether it was told by what it holds, not by its shape."""


def docid(value: object) -> str:
    """An image's name on the page; older pages end it with a colon."""
    return clean(value).rstrip(":")


def in_script(script: str) -> Iterator[ImageRecord]:
    """Yield the records of a script, also where they lie inside quoted strings."""
    if "http" in script:
        for text in script_layers(script):
            yield from _records(text)


def script_layers(text: str) -> Iterator[str]:
    """A script as it is, then without its strings' quoting, as often as it quotes addresses.

    Escapes are as JSON writes them.
    """
    yield _json_escapes(text)
    for _ in range(_MAX_QUOTINGS):
        if not _QUOTED_ADDRESS.search(text):
            return
        text = unquoted(text)
        yield _json_escapes(text)


def in_text(text: str) -> ImageRecord | None:
    """The record that an element's text is, if it is one."""
    value = _decoded(text, 0)
    return _of_object(value) if isinstance(value, dict) else None


def _records(script: str) -> Iterator[ImageRecord]:
    script = JsonText(script)
    is_height_first = "AF_initDataCallback" in script
    for match in _LIST_RECORD.finditer(script):
        value = _decoded(script, match.start())
        record = (
            _of_list(value, is_height_first=is_height_first)
            if isinstance(value, list)
            else _of_cut_list(script, match.start(), is_height_first=is_height_first)
        )
        if record:
            yield record
    if '"ou"' in script:
        yield from _object_records(script)


def _object_records(script: str) -> Iterator[ImageRecord]:
    broken = 0
    for match in _OBJECT_RECORD.finditer(script):
        value = _decoded(script, match.start())
        if isinstance(value, dict) and (record := _of_object(value)):
            yield record
        broken += value is None
        if broken > _MAX_BROKEN:
            return


def _decoded(text: str, start: int) -> object:
    """The JSON value that begins at `start`; None where it is broken."""
    try:
        return _DECODE(text, start)[0]
    except (ValueError, RecursionError):
        return None


def _of_list(value: list[Any], *, is_height_first: bool) -> ImageRecord | None:
    sized = [item for item in value if _is_sized_address(item)]
    thumbnail = next((item for item in sized if is_thumbnail(item[0])), None)
    full = next((item for item in sized if item is not thumbnail and full_size(item[0])), None)
    page_url, title, is_described = _described(value)
    if thumbnail is None and full is not None and not is_described:
        # No host that we know: the small one has always come first.
        thumbnail, full = full, next((item for item in sized[1:] if full_size(item[0])), None)
        if full is None:
            return None
    if thumbnail is None and full is None:
        return None
    first, second = _sides(full)
    names = [item for item in value[: value.index(sized[0])] if isinstance(item, str)]
    return ImageRecord(
        docid=docid(names[-1]) if names else "",
        image_url=full_size(full[0]) if full else "",
        thumbnail_url=web_address(thumbnail[0]) if thumbnail else "",
        page_url=page_url,
        title=title,
        width=second if is_height_first else first,
        height=first if is_height_first else second,
    )


def _of_cut_list(script: str, start: int, *, is_height_first: bool) -> ImageRecord | None:
    """Save the addresses of a record whose end is missing or broken."""
    match = _CUT_RECORD.match(script, start)
    if match is None:
        return None
    thumbnail, full = (_decoded(f'"{match[name]}"', 0) for name in ("thumbnail", "full"))
    sides = [int(match[name]) for name in ("first", "second") if match[name]]
    names = _STRING.findall(match["scalars"])
    return _of_list([*names, [thumbnail], [full, *sides]], is_height_first=is_height_first)


def _of_object(value: dict[str, Any]) -> ImageRecord | None:
    image_url, thumbnail_url = full_size(value.get("ou")), web_address(value.get("tu"))
    if not image_url and not ("ou" in value and thumbnail_url):
        return None
    return ImageRecord(
        docid=docid(value.get("id")),
        image_url=image_url,
        thumbnail_url=thumbnail_url,
        page_url=web_address(value.get("ru")),
        title=clean(value.get("pt")),
        width=pixels(value.get("ow")),
        height=pixels(value.get("oh")),
        has_named_sides=True,
    )


def _is_sized_address(item: object) -> bool:
    """Whether an item is `["https://…", n, n]`."""
    return (
        isinstance(item, list)
        and 1 <= len(item) <= 6
        and bool(web_address(item[0]))
        and not any(isinstance(other, str | list | dict) for other in item[1:3])
    )


def _sides(sized: list[Any] | None) -> tuple[int | None, int | None]:
    numbers = [pixels(item) for item in (sized or [])[1:3]]
    return (numbers[0], numbers[1]) if len(numbers) == 2 else (None, None)


def _described(value: list[Any]) -> tuple[str, str, bool]:
    """The page and title that a record's objects state, and whether there is such an object.

    Google keeps them under "2003", as […, …, page, title, …].
    """
    objects = [item for item in value if isinstance(item, dict)]
    described = [item["2003"] for item in objects if isinstance(item.get("2003"), list)]
    others = [item for one in objects for item in one.values() if isinstance(item, list)]
    for facts in described + others:
        for place, fact in enumerate(facts):
            page_url = "" if is_thumbnail(fact) else web_address(fact)
            if page_url:
                return page_url, clean(facts[place + 1] if place + 1 < len(facts) else ""), True
    return "", "", bool(described)


def pixels(value: object) -> int | None:
    """A side's length, from a number or its digits; None where it cannot be one."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 7:
        value = int(value)
    is_length = isinstance(value, int) and not isinstance(value, bool) and 0 < value < 1_000_000
    return value if is_length else None  # type: ignore[return-value]


def _json_escapes(script: str) -> str:
    """Write JavaScript's `\\x3d` as JSON would."""
    return _HEX_ESCAPE.sub(r"\\u00\1", script) if "\\x" in script else script


_JS_ESCAPE = re.compile(r"\\(?:x([0-9a-fA-F]{2})|u([0-9a-fA-F]{4})|([0-7]{2,3})|(.))", re.DOTALL)
_JS_LETTERS = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "f": "\f"}


def unquoted(text: str) -> str:
    """Take one layer of JavaScript's string quoting off."""
    return _JS_ESCAPE.sub(_unescaped, text) if "\\" in text else text


def _unescaped(escape: re.Match[str]) -> str:
    hexadecimal, octal = escape[1] or escape[2], escape[3]
    if hexadecimal:
        return chr(int(hexadecimal, 16))
    return chr(int(octal, 8)) if octal else _JS_LETTERS.get(escape[4], escape[4])
