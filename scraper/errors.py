"""What this stage raises on purpose; the type says what to do.

ScraperError                 stop; the shell exits with `exit_code`
├── UsageError               the request itself is wrong (2)
├── HarvestError             the harvest cannot be opened, read or written (1)
├── BrowserError             no browser or driver could be started (1)
│   └── BrowserLostError     it ran and no longer answers: another one may
├── LayoutError              a page was read, and nothing on it could be understood (1)
├── BlockedError             the source turned us away: stop it, resume later (3)
└── FetchError               one image failed for `reason`: record that and go on
    ├── UnwantedError        it is there, and we refuse it on purpose: a row `skipped`
    └── TransientFetchError  worth another attempt
"""

from __future__ import annotations

from collections.abc import Mapping


class ScraperError(Exception):
    """Base of what this stage raises on purpose.

    `document` holds what was done all the same, for scripts that read `--json`.
    """

    exit_code = 1

    def __init__(self, message: str, *, document: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.document = dict(document or {})


class UsageError(ScraperError):
    """What was asked for cannot be meant: say what to write instead."""

    exit_code = 2


class HarvestError(ScraperError):
    """The harvest cannot be opened, read or written."""


class BrowserError(ScraperError):
    """No browser or driver could be started; the message names every way that was tried."""


class BrowserLostError(BrowserError):
    """A browser that ran does not answer any more: it crashed, hangs, or lost its driver."""


class LayoutError(ScraperError):
    """A page arrived whole, and no candidate could be read from it."""


class BlockedError(ScraperError):
    """The source turned us away: stop it, keep everything, resume later."""

    exit_code = 3


class FetchError(ScraperError):
    """One image failed for `reason`: record that and go on."""

    def __init__(self, url: str, reason: str) -> None:
        super().__init__(f"{reason}: {url}")
        self.url, self.reason = url, reason


class UnwantedError(FetchError):
    """Refused on purpose: not an image, too large, or at an address that we do not ask."""


class TransientFetchError(FetchError):
    """Worth another attempt.

    `retry_after_s` is what the host asked for, if it did. `is_host_trouble` says that the whole
    host is unwell or wants less to do, not just this one image.
    """

    def __init__(
        self,
        url: str,
        reason: str,
        *,
        retry_after_s: float | None = None,
        is_host_trouble: bool = False,
    ) -> None:
        super().__init__(url, reason)
        self.retry_after_s, self.is_host_trouble = retry_after_s, is_host_trouble
