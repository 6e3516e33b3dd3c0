"""How politely hosts are asked. Apart from the code that asks, which is slow to import."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class FetchPolicy:
    """How patiently hosts are asked, and how much is taken from them.

    `attempts` counts the first try. `pause_s` is the least time between the end of one
    request to a host and the start of the next; a host has one connection at a time.
    """

    attempts: int = 4
    pause_s: float = 1.0
    backoff_s: float = 1.0
    backoff_max_s: float = 60.0
    retry_after_max_s: float = 120.0
    """A host that asks for more is left alone for this run; its images stay pending."""
    timeout_s: float = 15.0
    """For connecting, and for each wait for more bytes."""
    total_s: float = 120.0
    """For one whole body."""
    max_bytes: int = 32 * 2**20
    max_redirects: int = 5
    workers: int = 16
    """Hosts asked at the same time."""
    contact: str = ""
    """An address of whoever runs the crawl, for the user agent; some hosts ask for one."""

    def __post_init__(self) -> None:
        for name in ("attempts", "max_bytes", "workers"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} must be at least 1, not {getattr(self, name)}")
        for name in ("pause_s", "backoff_s", "backoff_max_s", "retry_after_max_s", "max_redirects"):
            if not 0 <= getattr(self, name) < math.inf:
                raise ValueError(f"{name} must not be negative, not {getattr(self, name)}")
        for name in ("timeout_s", "total_s"):
            if not 0 < getattr(self, name) < math.inf:
                raise ValueError(f"{name} must be more than 0, not {getattr(self, name)}")
        if not (self.contact.isascii() and self.contact.isprintable()):
            raise ValueError(f"contact must be plain ASCII, not {self.contact!r}")

    def wait_after(self, attempt: int, *, jitter: float) -> float:
        """Seconds to wait after 1-based `attempt` failed; `jitter` is in [0, 1)."""
        doubled = self.backoff_s * 2.0 ** min(attempt - 1, 60)
        return min(self.backoff_max_s, doubled * (1 + jitter))

    def pause(self, *, jitter: float) -> float:
        """Seconds between two requests to a host, never less than `pause_s`."""
        return self.pause_s * (1 + jitter / 2)
