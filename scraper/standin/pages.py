"""The pages of a stand-in site, as text: what Google Images sends, without its weight.

The results page is of the kind that Google has served since 2024: cards that carry
`data-docid` and `data-lpage`, and scripts with one record per docid that has the full-size
address. Thumbnails are set by scripts, the first ones as `data:` URIs.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any

import jinja2

from scraper.standin.faults import AddressPlace

_PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
_PIECE = 6
"""Cards that a later batch adds to the page at a time."""


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
        red, green, blue = (128 + byte // 3 for byte in sha256(self.docid.encode()).digest()[:3])
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


def results(
    query: str,
    cards: Sequence[Card],
    *,
    next_start: int | None,
    has_button: bool,
    has_overlay: bool,
) -> str:
    """The first page of results; `next_start` is None where it is the only one."""
    return _render(
        "results.html.j2",
        query=query,
        cards=cards,
        placeholder=_PLACEHOLDER,
        scripts=_scripts(cards, session=_session(query)),
        next_start=next_start,
        has_button=has_button,
        has_overlay=has_overlay,
    )


def batch(
    query: str, cards: Sequence[Card], *, next_start: int | None, has_button: bool
) -> dict[str, object]:
    """More results, in the pieces in which the page's script adds them."""
    session = _session(query)
    return {
        "pieces": [
            {
                "html": _render("cards.html.j2", cards=piece, placeholder=_PLACEHOLDER),
                "scripts": _scripts(piece, session=session),
            }
            for piece in _in_pieces(cards)
        ],
        "next": next_start,
        "button": has_button,
        "end": _render("end.html.j2") if next_start is None else "",
    }


def no_results(query: str) -> str:
    """What a query without results gets."""
    return _render("no_results.html.j2", query=query)


def home(species: Sequence[str]) -> str:
    """The search box."""
    return _render("home.html.j2", species=species)


def consent(continue_url: str, hidden: Mapping[str, str]) -> str:
    """The page before the first page."""
    return _render("consent.html.j2", continue_url=continue_url, hidden=hidden)


def sorry(continue_url: str, *, token: str, client: str, time: str) -> str:
    """The page that turns everyone away."""
    return _render(
        "sorry.html.j2", continue_url=continue_url, token=token, client=client, time=time
    )


def image(card: Card) -> str:
    """The page behind a card's link: one result by itself."""
    return _render("image.html.j2", card=card)


def source(*, title: str, site_name: str, image_url: str) -> str:
    """The page of an image's own site on which the image was found."""
    return _render("source.html.j2", title=title, site_name=site_name, image_url=image_url)


@cache
def asset(name: str) -> bytes:
    """A script or style sheet that the pages link to."""
    return (files("scraper.standin") / "templates" / name).read_bytes()


def _in_pieces(cards: Sequence[Card]) -> Iterator[Sequence[Card]]:
    for start in range(0, len(cards), _PIECE):
        yield cards[start : start + _PIECE]


def _session(query: str) -> str:
    """The prefix that the keys of one page's records share."""
    return re.sub(r"[^A-Za-z]", "", base64.b64encode(sha256(query.encode()).digest()).decode())[:22]


def _scripts(cards: Sequence[Card], *, session: str) -> list[str]:
    """The scripts that tell of the full-size images and set the thumbnails."""
    records = {
        f"{session}{card.rank}": _record(card) for card in cards if card.address_in == "page"
    }
    linked = {card.image_id: card.thumbnail_url for card in cards if card.thumbnail_jpeg is None}
    return [
        f"(function(){{var m={_literal(records)};var a=window.W_jd=window.W_jd||{{}};"
        "for(var k in m)a[k]=m[k];})();",
        f"google.ldi=Object.assign(google.ldi||{{}},{_literal(linked)});google.show();",
        *(_inline(card.image_id, card.thumbnail_jpeg) for card in cards if card.thumbnail_jpeg),
    ]


def _record(card: Card) -> list[object]:
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
    thumbnail = [card.thumbnail_url, card.thumbnail_width, card.thumbnail_height]
    full = [card.image_url, card.width, card.height]
    return [1, [0, card.docid, thumbnail, full, None, 0, card.colour, None, 0, more]]


def _inline(image_id: str, jpeg: bytes) -> str:
    encoded = base64.b64encode(jpeg).decode().replace("=", "\\x3d")
    return (
        f"(function(){{var s='data:image/jpeg;base64,{encoded}';"
        f"var ii=['{image_id}'];_setImagesSrc(ii,s);}})();"
    )


def _literal(value: object) -> str:
    """JSON that may stand in a script, escaped as Google does."""
    text = json.dumps(value, separators=(",", ":"), ensure_ascii=False)
    for character in "=&<>'\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return text


@cache
def _templates() -> jinja2.Environment:
    return jinja2.Environment(
        loader=jinja2.PackageLoader("scraper.standin"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )


def _render(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(values)
