"""How politely hosts are asked. Apart from the code that asks, which is slow to import."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

TOO_LARGE: Final = "too large: "
"""Begins the reason of what is skipped for its size, which another run may allow."""


def too_large(max_bytes: int) -> str:
    """Why an image of more bytes is skipped."""
    return f"{TOO_LARGE}more than {max_bytes} bytes (--max-bytes allows more)"


LEAST_PAUSES_S: Final[Mapping[str, float]] = {
    # Wikimedia's robot policy: two requests at once at most, and 429 for who asks for more.
    "upload.wikimedia.org": 0.5,
    # iNaturalist's recommended practices: 5 GB of media an hour.
    "static.inaturalist.org": 1.0,
    "inaturalist-open-data.s3.amazonaws.com": 1.0,
    # GBIF's image cache: a single connection for scripts.
    "api.gbif.org": 0.5,
}
"""Hosts that have said how robots should ask them: no option makes a pause shorter than that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """How patiently hosts are asked, and how much is taken from them.

    `attempts` counts the first try. `pause_s` is the least time between the end of one
    request to a host and the start of the next.
    """

    attempts: int = 4
    pause_s: float = 1.0
    pause_max_s: float = 30.0
    """As far as the pause of a host in trouble grows; it shrinks again as the host recovers."""
    slow_s: float = 5.0
    """A host that takes longer to answer is given longer pauses."""
    connections: int = 1
    """Requests to one host at the same time, where there is no pause between them."""
    host_failures: int = 6
    """A host that fails as often in a row is left alone for this run; its images stay pending."""
    backoff_s: float = 1.0
    backoff_max_s: float = 60.0
    retry_after_max_s: float = 120.0
    """A host that asks for more is left alone for this run; its images stay pending."""
    timeout_s: float = 15.0
    """For connecting, for all headers of an answer, and for each wait for more of its body."""
    total_s: float = 120.0
    """For one whole body."""
    max_bytes: int = 32 * 2**20
    max_pixels: int = 100_000_000
    """Of an image as its header states them: more would fill the memory of who decodes it."""
    max_redirects: int = 5
    workers: int = 16
    """Requests to all hosts at the same time."""
    contact: str = ""
    """An address of whoever runs the crawl, for the user agent; some hosts ask for one."""

    def __post_init__(self) -> None:
        for name in (
            "attempts",
            "connections",
            "host_failures",
            "max_bytes",
            "max_pixels",
            "workers",
        ):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in (
            "pause_s",
            "pause_max_s",
            "backoff_s",
            "backoff_max_s",
            "retry_after_max_s",
            "max_redirects",
        ):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("timeout_s", "total_s", "slow_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise ValueError(f"contact must be plain ASCII, not {self.contact!r}")

    def wait_after(self, attempt: int, *, jitter: float) -> float:
        """Seconds to wait after 1-based `attempt` failed; `jitter` is in [0, 1)."""
        doubled = self.backoff_s * 2.0 ** min(attempt - 1, 60)
        return min(self.backoff_max_s, doubled * (1 + jitter))

    def least_pause(self, host: str) -> float:
        """The pause of a host while all is well; none where nobody is asked."""
        return max(self.pause_s, LEAST_PAUSES_S.get(host, 0.0)) if host else 0.0

    def longer(self, pause_s: float) -> float:
        """The pause of a host that was in trouble with this one: twice it, up to the cap."""
        doubled = max(2 * pause_s, self.backoff_s / 4)
        return max(pause_s, min(doubled, self.pause_max_s))

    def shorter(self, pause_s: float, *, least_s: float) -> float:
        """The pause of a host that is well with this one: a tenth less, down to `least_s`."""
        shortened = 0.9 * pause_s
        return shortened if shortened > least_s + 0.01 else least_s

    def after_answer(self, pause_s: float, *, least_s: float, took_s: float) -> float:
        """The pause of a host that took so long to answer: if slow, it rests as long as that."""
        if took_s <= self.slow_s:
            return self.shorter(pause_s, least_s=least_s)
        return max(pause_s, min(took_s, self.longer(pause_s)))


def spread(pause_s: float, *, jitter: float) -> float:
    """A pause a little longer than it must be, so that requests are no beat; never shorter."""
    return pause_s * (1 + jitter / 2)
