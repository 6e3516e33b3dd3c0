"""How long a source that turned us away is left alone: an hour, and longer each time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from scraper.clock import stamp

FIRST: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=24)
FORGIVEN_AFTER: Final = timedelta(days=7)
"""A block so long after the last wait was over is a first one again."""


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown:
    """Where a source stands: how often in a row it turned us away, and until when to wait."""

    source: str
    """Its name, or //host/ for a host of images."""
    strikes: int = 0
    until: str = ""
    """UTC, ISO 8601; empty when it may be asked."""

    def after_block(self, now: datetime) -> CoolDown:
        """Wait twice as long as after the last block; an hour, if that is long over."""
        strikes = 0 if self._is_long_over(now) else self.strikes
        wait = min(LONGEST, FIRST * 2 ** min(strikes, 10))
        return replace(self, strikes=strikes + 1, until=stamp(now + wait))

    def _is_long_over(self, now: datetime) -> bool:
        return bool(self.until) and now - _moment(self.until) > FORGIVEN_AFTER

    def after_request(self, now: datetime, rest_s: float) -> CoolDown:
        """Wait as long as it asks for, within reason."""
        wait = timedelta(seconds=min(rest_s, LONGEST.total_seconds()))
        return replace(self, until=stamp(now + wait))

    def left(self, now: datetime) -> timedelta:
        """How much of the wait is to come; nothing when it is over or never began."""
        return max(timedelta(), _moment(self.until) - now) if self.until else timedelta()


def _moment(text: str) -> datetime:
    """When a stamp says that it was."""
    return datetime.strptime(text, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)


def in_words(time: timedelta) -> str:
    """A wait as one says it: whole minutes, never less than one."""
    hours, minutes = divmod(max(1, -(-int(time.total_seconds()) // 60)), 60)
    return " ".join(([f"{hours} h"] if hours else []) + ([f"{minutes} min"] if minutes else []))
