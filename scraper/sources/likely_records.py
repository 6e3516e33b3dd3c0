"""Records of a shape that nobody has seen yet, found by what every record must hold.

Whatever its keys are called: the smallest piece of JSON that has one preview, or one card's
name, and the address of a picture is what a page knows of one image.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Iterator, Set
from dataclasses import dataclass, field
from itertools import islice

from scraper.sources.image_address import (
    clean,
    full_size,
    is_google,
    is_thumbnail,
    names_a_picture,
    web_address,
)
from scraper.sources.image_records import ImageRecord, JsonText, docid, script_layers

_OPENING = re.compile(r'[\[{](?=\s*+["\[{])')
_DECODER = json.JSONDecoder()
_READINGS = 4
"""How often a broken script may be read over, in its own lengths."""
_MAX_TITLE_LENGTH = 300
_NAMES_LOOKED_FOR = 8
"""A script that knows none of so many cards knows none of the others."""
_MAX_STRINGS = 200
"""What says more than this is no record of one image."""


def likely_records(scripts: Iterable[str], names: Set[str]) -> Iterator[ImageRecord]:
    """Yield what the scripts' JSON seems to say of images; `names` are docids of known cards."""
    known = tuple(islice(names, _NAMES_LOOKED_FOR))
    for script in scripts:
        if "http" not in script or not any(mark in script for mark in ("tbn:", *known)):
            continue
        for text in script_layers(script):
            for value in _values(JsonText(text)):
                try:
                    yield from _Piece.of(value, names).records
                except RecursionError:  # Nested beyond all reason.
                    continue


def _values(text: JsonText) -> Iterator[object]:
    """The JSON values in a text, outermost first, in time linear in its length."""
    position, budget = 0, _READINGS * len(text) + 1000
    while budget > 0 and (opening := _OPENING.search(text, position)):
        try:
            value, end = _DECODER.raw_decode(text, opening.start())
        except json.JSONDecodeError as error:
            position, budget = opening.end(), budget - (error.pos - opening.start())
        except (ValueError, RecursionError):  # A number of thousands of digits, or a tower.
            position, budget = opening.end(), budget - len(text)
        else:
            position = end
            yield value


@dataclass(slots=True)
class _Piece:
    """A value, with what its strings are; `records` are those that lie inside of it."""

    previews: set[str] = field(default_factory=set)
    names: set[str] = field(default_factory=set)
    strings: list[str] = field(default_factory=list)
    records: list[ImageRecord] = field(default_factory=list)

    @classmethod
    def of(cls, value: object, names: Set[str]) -> _Piece:
        piece = cls()
        if isinstance(value, str):
            piece._read(value, names)
        elif isinstance(value, list | dict):
            inner = value.values() if isinstance(value, dict) else value
            for part in [cls.of(one, names) for one in inner if isinstance(one, str | list | dict)]:
                piece._take_in(part)
            if isinstance(value, dict):
                piece.names |= names & value.keys()
            piece._conclude()
        return piece

    def _read(self, text: str, names: Set[str]) -> None:
        self.strings.append(text)
        if is_thumbnail(text) and "tbn:" in text:
            self.previews.add(web_address(text))
        elif docid(text) in names:
            self.names.add(docid(text))

    def _take_in(self, part: _Piece) -> None:
        self.previews |= part.previews
        self.names |= part.names
        self.strings += part.strings[: max(0, _MAX_STRINGS - len(self.strings))]
        self.records += part.records

    def _conclude(self) -> None:
        """Be one record as long as the piece speaks of one image only."""
        if len(self.previews) > 1 or len(self.names) > 1:
            self.strings.clear()  # What lies further out belongs to no image.
        elif self.previews or self.names:
            record = self._record()
            self.records = [record] if record.image_url else []

    def _record(self) -> ImageRecord:
        others = [one for one in self.strings if not is_thumbnail(one)]
        image_url = next(filter(None, map(names_a_picture, others)), "")
        addresses = (web_address(one) for one in others if not is_google(one))
        pages = (one for one in addresses if one and not names_a_picture(one) and full_size(one))
        texts = (clean(one) for one in others if " " in one and not web_address(one))
        titles = [text for text in texts if len(text) <= _MAX_TITLE_LENGTH]
        return ImageRecord(
            docid=next(iter(self.names), ""),
            image_url=image_url,
            thumbnail_url=next(iter(self.previews), ""),
            page_url=next(pages, ""),
            title=max(titles, key=len, default=""),
        )
