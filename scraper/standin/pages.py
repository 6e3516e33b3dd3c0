"""The pages of a stand-in site, as text: what Google Images sends, without its weight.

The results page comes in any of the layouts that Google has had (`scraper.standin.layouts`).
Thumbnails are set by scripts, the first ones as `data:` URIs.
"""

from __future__ import annotations

import base64
import re
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from hashlib import sha256
from importlib.resources import files
from typing import Any
from urllib.parse import urlencode

import jinja2

from scraper.standin.faults import Layout, SearchAnswer
from scraper.standin.layouts import SHAPES, Card, described, scripts

_PLACEHOLDER = "data:image/gif;base64,R0lGODlhAQABAIAAAP///////yH5BAEKAAEALAAAAAABAAEAAAICTAEAOw=="
_PIECE = 6
"""Cards that a later batch adds to the page at a time."""


def results(
    query: str,
    cards: Sequence[Card],
    *,
    next_start: int | None,
    has_button: bool,
    has_overlay: bool,
    layout: Layout = "2024",
) -> str:
    """The first page of results; `next_start` is None where it is the only one."""
    shape = SHAPES[layout]
    return _render(
        "results.html.j2" if layout != "basic" else "basic.html.j2",
        query=query,
        cards=cards,
        shape=shape,
        placeholder=_PLACEHOLDER,
        scripts=scripts(cards, shape, session=_session(query)),
        next_start=next_start,
        has_button=has_button,
        has_overlay=has_overlay,
    )


def batch(
    query: str,
    cards: Sequence[Card],
    *,
    next_start: int | None,
    has_button: bool,
    layout: Layout = "2024",
) -> dict[str, object]:
    """More results, in the pieces in which the page's script adds them."""
    session, shape = _session(query), SHAPES[layout]
    return {
        "pieces": [
            {
                "html": _render(shape.cards, cards=piece, placeholder=_PLACEHOLDER),
                "scripts": scripts(piece, shape, session=session),
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


def instead(answer: SearchAnswer, target: str) -> str:
    """A page that is no results page, as the site answers on its bad days."""
    return _render(f"{answer.replace('-', '_')}.html.j2", target=target)


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


@cache
def _templates() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("scraper.standin"),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.filters["imgres"] = lambda card: urlencode(described(card))
    return environment


def _render(template: str, **values: Any) -> str:
    return _templates().get_template(template).render(values)
