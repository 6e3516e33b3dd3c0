"""The layouts that Google Images has had since 2019: where each keeps what it says of a result.

2019     a JSON record inside of each card
2020     one function in a script that returns the records of all cards
2022     one list in a script, nested otherwise
2023     one record per docid in the scripts, cards named by `jsname` and `data-lpage`
2024     the same records, other cards: the layout of today
basic    links alone, for browsers without scripts; a page at a time
"""

from __future__ import annotations

import base64
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from scraper.standin.faults import AddressPlace, Layout

Script = Callable[[Sequence["Card"], str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Card:
    """One result: what its card shows, and what its record in the scripts says."""

    rank: int
    docid: str
    image_url: str
    page_url: str
    thumbnail_url: str
    title: str
    site_name: str
    domain: str
    width: int
    height: int
    thumbnail_width: int
    thumbnail_height: int
    size_bytes: int
    thumbnail_jpeg: bytes | None = None
    """Sent inside the page where given, and linked otherwise."""
    address_in: AddressPlace = "page"

    @property
    def image_id(self) -> str:
        """The id of the card's img element, by which scripts set its source."""
        return f"dimg_{self.docid}_{self.rank}"

    @property
    def colour(self) -> str:
        """A muted colour to show until the thumbnail is there."""
        red, green, blue = (128 + byte // 3 for byte in self.docid.encode()[:3])
        return f"rgb({red},{green},{blue})"

    @property
    def token(self) -> str:
        """What the page's own script needs of the card, sealed as in Google's `data-ved`."""
        shown = {
            "image": self.image_url,
            "page": self.page_url,
            "title": self.title,
            "site": self.site_name,
            "width": self.width,
            "height": self.height,
            "link": self.address_in != "panel",
        }
        return base64.b64encode(json.dumps(shown).encode()).decode()

    @property
    def meta(self) -> str:
        """The JSON record that the card of 2019 has in it."""
        address = {"ou": self.image_url} if self.address_in == "page" else {}
        facts = {
            "id": f"{self.docid}:",
            "ity": "jpg",
            "oh": self.height,
            "ow": self.width,
            "pt": self.title,
            "rh": self.domain,
            "ru": self.page_url,
            "st": self.site_name,
            "th": self.thumbnail_height,
            "tu": self.thumbnail_url,
            "tw": self.thumbnail_width,
        }
        return json.dumps(address | facts, ensure_ascii=False)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shape:
    """How one layout is built: its cards, what is around them, and what its scripts say."""

    cards: str
    """The template of the cards."""
    list_id: str = "rso"
    around: tuple[str, ...] = ()
    """Ids of the elements around the list, the outermost first."""
    records: Script | None = None


def _by_docid(cards: Sequence[Card], session: str) -> str:
    """One object whose keys share a prefix, as of 2023 and 2024."""
    records = {f"{session}{card.rank}": [1, _record(card)] for card in cards}
    return (
        f"(function(){{var m={literal(records)};var a=window.W_jd=window.W_jd||{{}};"
        "for(var k in m)a[k]=m[k];})();"
    )


def _in_list(cards: Sequence[Card], _: str) -> str:
    """All results of a page in one nested list, as of 2022; heights come before widths."""
    found = [[[{"444383007": [1, _record(card, is_height_first=True)]}]] for card in cards]
    data = [None] * 56 + [[1, [[[1, found]]]]]
    return _callback(literal(data))


def _in_function(cards: Sequence[Card], _: str) -> str:
    """The same of 2020, in a function and elsewhere in the list."""
    found = [[1, _record(card, is_height_first=True)] for card in cards]
    data = [None] * 31 + [[[None] * 12 + [[None, None, found]]]]
    return _callback(f"function(){{return {literal(data)}}}")


def _callback(data: str) -> str:
    return f"AF_initDataCallback({{key: 'ds:1', hash: '2', data:{data}, sideChannel: {{}}}});"


def _record(card: Card, *, is_height_first: bool = False) -> list[object]:
    """What Google's scripts say of one result, in their own places."""
    page: list[object] = [None] * 18
    page[1:4] = [card.docid, card.page_url, card.title]
    page[12] = card.site_name
    page[17] = card.domain
    more = {
        "2000": [None, card.domain, f"{max(1, card.size_bytes // 1024)}KB"],
        "2003": page,
        "2008": [None, card.title],
    }
    small, large = (
        (card.thumbnail_width, card.thumbnail_height),
        (card.width, card.height),
    )
    turn = -1 if is_height_first else 1
    thumbnail, full = [card.thumbnail_url, *small[::turn]], [card.image_url, *large[::turn]]
    return [0, card.docid, thumbnail, full, None, 0, card.colour, None, 0, more]


def literal(value: object) -> str:
    """JSON that may stand in a script, escaped as Google does."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "=&<>'\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


SHAPES: Final[Mapping[Layout, Shape]] = {
    "2019": Shape(cards="cards_2019.html.j2", list_id="rg_s"),
    "2020": Shape(cards="cards_2020.html.j2", around=("islmp", "islrg"), records=_in_function),
    "2022": Shape(cards="cards_2020.html.j2", around=("islmp", "islrg"), records=_in_list),
    "2023": Shape(cards="cards_2023.html.j2", records=_by_docid),
    "2024": Shape(cards="cards_2024.html.j2", records=_by_docid),
    "basic": Shape(cards="cards_basic.html.j2"),
}


def scripts(cards: Sequence[Card], shape: Shape, *, session: str) -> list[str]:
    """The scripts that tell of the full-size images and set the thumbnails."""
    known = [card for card in cards if card.address_in == "page"]
    linked = {card.image_id: card.thumbnail_url for card in cards if card.thumbnail_jpeg is None}
    return [
        *([shape.records(known, session)] if shape.records else []),
        f"google.ldi=Object.assign(google.ldi||{{}},{literal(linked)});google.show();",
        *(_inline(card.image_id, card.thumbnail_jpeg) for card in cards if card.thumbnail_jpeg),
    ]


def _inline(image_id: str, jpeg: bytes) -> str:
    encoded = base64.b64encode(jpeg).decode().replace("=", "\\x3d")
    return (
        f"(function(){{var s='data:image/jpeg;base64,{encoded}';"
        f"var ii=['{image_id}'];_setImagesSrc(ii,s);}})();"
    )


def described(card: Card) -> dict[str, Any]:
    """The parameters of the link that opens a result by itself."""
    return {
        "imgurl": card.image_url,
        "imgrefurl": card.page_url,
        "h": card.height,
        "w": card.width,
        "tbnid": card.docid,
    }
