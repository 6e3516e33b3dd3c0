"""What hosts ask of robots: in robots.txt, and in the headers that opt an image out.

robots.txt is read as RFC 9309 says. A header speaks of one answer: `X-Robots-Tag` forbids
its use for learning (`noai`, `noimageai`, `noml`) or in collections (`noindex`,
`noimageindex`, `none`), to everyone or to one robot by name; `tdm-reservation: 1` reserves
the right to mine it (W3C's TDM Reservation Protocol).
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final, Self
from urllib.parse import urlsplit

from protego import Protego

AGENT: Final = "bestiary"
"""The name by which hosts speak to us; our user agent begins with it."""
MAX_RULES_BYTES: Final = 500 * 1024
"""What comes later in a robots.txt is not read."""
MAX_RULES_HOPS: Final = 5
RULES_LAST_S: Final = 24 * 3600.0
"""Older rules are asked for anew."""

_OPT_OUTS: Final = frozenset({"noai", "noimageai", "noml", "noindex", "noimageindex", "none"})
_VALUED: Final = frozenset(
    {"unavailable_after", "max-snippet", "max-image-preview", "max-video-preview"}
)
"""Directives that have a colon of their own: what stands before it names no robot."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rules:
    """The rules of one origin, as far as they speak to us; by default there are none."""

    parsed: Protego | None = None
    crawl_delay_s: float = 0.0

    @classmethod
    def parse(cls, body: bytes) -> Self:
        """Read a robots.txt; what is none, like a web page, has no rules."""
        text = body[:MAX_RULES_BYTES].decode("utf-8-sig", "replace")
        parsed = Protego.parse(text)
        return cls(parsed=parsed, crawl_delay_s=parsed.crawl_delay(AGENT) or 0.0)

    def allows(self, url: str) -> bool:
        """Whether we may ask for this address."""
        return self.parsed is None or self.parsed.can_fetch(url, AGENT)


def origin_of(url: str) -> str:
    """Whose robots.txt an address obeys, as scheme://host:port; empty where nobody's."""
    try:
        parts = urlsplit(url)
        port = parts.port
    except ValueError:
        return ""
    if parts.scheme not in {"http", "https"} or not parts.hostname:
        return ""
    host = f"[{parts.hostname}]" if ":" in parts.hostname else parts.hostname
    return f"{parts.scheme}://{host}{'' if port is None else f':{port}'}"


def opt_out(robots_tags: Iterable[str], tdm_reservation: str = "") -> str:
    """What in an answer's headers opts it out; empty where nothing does.

    `robots_tags` are the values of all its X-Robots-Tag headers, one string for each: a
    robot's name holds to the end of its header.
    """
    for tag in robots_tags:
        for agent, directive in _directives(tag):
            if agent in {"", "*", AGENT} and directive in _OPT_OUTS:
                return f"X-Robots-Tag: {directive}"
    return "tdm-reservation: 1" if tdm_reservation.strip() == "1" else ""


def _directives(tag: str) -> Iterable[tuple[str, str]]:
    agent = ""
    for part in tag.lower().split(","):
        name, colon, rest = (piece.strip() for piece in part.partition(":"))
        if colon and name not in _VALUED:
            agent, name = name, rest
        yield agent, name
