"""How a stand-in site misbehaves: every switch, and which picture each one strikes."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, fields
from typing import Final, Literal, TypeVar, get_args

from scraper.errors import UsageError

Layout = Literal["2019", "2020", "2022", "2023", "2024", "basic"]
"""By the year in which Google Images looked so; `basic` is for browsers without scripts."""
SearchAnswer = Literal[
    "results", "js-shell", "sign-in", "unsupported-browser", "unknown-layout", "hang-up"
]
Consent = Literal["interstitial", "overlay", "again", "off"]
ImageFault = Literal[
    "429",
    "503",
    "slow",
    "truncated",
    "html",
    "loop",
    "wrong_type",
    "dead",
    "reset",
    "oversized",
    "opt_out",
    "reserved",
    "hotlink",
    "private",
    "bomb",
    "slow_headers",
]
AddressPlace = Literal["page", "hover", "panel"]
"""Where a card's full-size address can be read: in the page's scripts, in the link that
appears under the pointer, or in the side panel that a click opens."""

Kind = TypeVar("Kind", bound=str)


@dataclass(frozen=True, slots=True, kw_only=True)
class Faults:
    """Switches of misbehaviour; by default the site asks for consent and is well otherwise.

    Shares are fractions of all pictures, met as exactly as whole pictures allow. A picture
    has one fault at most. The same seed strikes the same pictures of the same folder.
    """

    seed: int = 0
    layout: Layout = "2024"
    answer: SearchAnswer = "results"
    """What a search is answered with: results, or a page that has none of them."""
    consent: Consent = "interstitial"
    """`interstitial` sends a first visit to a consent page, `again` every visit, and `overlay`
    covers the results."""
    block_after: int | None = None
    """Results pages and batches answered before the "unusual traffic" page; None: never."""
    block_for_s: float = 60.0
    """How long a block lasts; the count begins anew after it."""
    share_429: float = 0.0
    """Too Many Requests with Retry-After, `busy_answers` times, then the picture."""
    share_503: float = 0.0
    """Service Unavailable, `busy_answers` times, then the picture."""
    busy_answers: int = 1
    retry_after_s: int = 1
    share_slow: float = 0.0
    """The body trickles in over `slow_s` seconds."""
    slow_s: float = 3.0
    share_truncated: float = 0.0
    """Half of the promised Content-Length, then the connection is closed."""
    share_html: float = 0.0
    """An HTML page that calls itself image/jpeg."""
    share_loop: float = 0.0
    """A redirect to where one came from, for ever."""
    share_wrong_type: float = 0.0
    """The right bytes under a Content-Type of another image format, or of no image at all."""
    share_dead: float = 0.0
    """404 Not Found."""
    share_reset: float = 0.0
    """The connection is reset instead of answered."""
    share_oversized: float = 0.0
    """A body of `oversized_bytes` in chunks, so that no header gives its length away."""
    oversized_bytes: int = 64 * 2**20
    share_opt_out: float = 0.0
    """The picture, under `X-Robots-Tag: noai, noimageai`."""
    share_reserved: float = 0.0
    """The picture, under `tdm-reservation: 1`."""
    share_hotlink: float = 0.0
    """403 Forbidden, as for everyone who does not come from the host's own page."""
    share_private: float = 0.0
    """A redirect to an address inside of the visitor's own network."""
    share_bomb: float = 0.0
    """A small PNG whose header promises billions of pixels."""
    share_slow_headers: float = 0.0
    """Headers that come one by one and never end."""
    dead_hosts: int = 0
    """Image hosts at which nobody listens."""
    disallow: str = ""
    """What the robots.txt of the image hosts disallows; by default nothing."""
    crawl_delay_s: float = 0.0
    """The pause that it asks for."""
    robots_status: int = 200
    """With what status it is answered."""
    share_hover_only: float = 0.0
    """Cards whose address is in no script, only in the link that appears under the pointer."""
    share_panel_only: float = 0.0
    """Cards whose address appears only in the side panel."""

    def __post_init__(self) -> None:
        for name, known in CHOICES.items():
            if (value := getattr(self, name)) not in known:
                raise UsageError(f"{name} must be one of {', '.join(known)}, not {value}")
        for name, value in self._numbers().items():
            if not value >= 0:
                raise UsageError(f"{name} must not be negative, not {value}")
        for total in (sum(self._image_shares().values()), sum(self._card_shares().values())):
            if total > 1 + 1e-9:
                raise UsageError(f"shares of the same pictures must not pass 1, not {total:g}")

    def of_images(self, docids: Iterable[str]) -> dict[str, ImageFault]:
        """Which fault strikes which picture; the others are not in the answer."""
        return _deal(docids, self._image_shares(), salt=f"image:{self.seed}")

    def of_cards(self, docids: Iterable[str]) -> dict[str, AddressPlace]:
        """Which card hides its address, and where; the others are not in the answer."""
        return _deal(docids, self._card_shares(), salt=f"card:{self.seed}")

    def _image_shares(self) -> dict[ImageFault, float]:
        return {fault: getattr(self, f"share_{fault}") for fault in get_args(ImageFault)}

    def _card_shares(self) -> dict[AddressPlace, float]:
        return {"hover": self.share_hover_only, "panel": self.share_panel_only}

    def _numbers(self) -> dict[str, float]:
        values = {field.name: getattr(self, field.name) for field in fields(self)}
        return {
            name: value
            for name, value in values.items()
            if name != "seed" and isinstance(value, int | float)
        }


CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "layout": get_args(Layout),
    "answer": get_args(SearchAnswer),
    "consent": get_args(Consent),
}
"""What switches that are no numbers may be."""


def _deal(docids: Iterable[str], shares: Mapping[Kind, float], *, salt: str) -> dict[str, Kind]:
    """Give each kind its share of the pictures, in an order that only `salt` decides."""
    order = sorted(docids, key=lambda docid: hashlib.sha256(f"{salt}:{docid}".encode()).digest())
    dealt: dict[str, Kind] = {}
    upper = 0.0
    for kind, share in shares.items():
        lower, upper = upper, upper + share
        struck = order[round(lower * len(order)) : round(upper * len(order))]
        dealt |= dict.fromkeys(struck, kind)
    return dealt


class Block:
    """Turns everyone away for a while, once enough was asked."""

    def __init__(self, faults: Faults, clock: Callable[[], float]) -> None:
        self._after, self._for_s = faults.block_after, faults.block_for_s
        self._clock = clock
        self._lock = threading.Lock()
        self._asked = 0
        self._until = float("-inf")

    def turns_away(self) -> bool:
        """Count one more request; whether it meets the block."""
        if self._after is None:
            return False
        with self._lock:
            if self.is_on:
                return True
            self._asked += 1
            if self._asked <= self._after:
                return False
            self._asked, self._until = 0, self._clock() + self._for_s
            return True

    @property
    def is_on(self) -> bool:
        """Whether a request would be turned away now, without counting one."""
        return self._clock() < self._until
