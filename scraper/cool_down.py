"""How long a source that turned us away is left alone: an hour, and longer each time."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from typing import Final

from scraper.clock import stamp

FIRST: Final = timedelta(hours=1)
LONGEST: Final = timedelta(hours=24)


@dataclass(frozen=True, slots=True, kw_only=True)
class CoolDown:
    """Where a source stands: how often in a row it turned us away, and until when to wait."""

    source: str
    """Its name, or //host/ for a host of images."""
    strikes: int = 0
    until: str = ""
    """UTC, ISO 8601; empty when it may be asked."""

    def after_block(self, now: datetime) -> CoolDown:
        """Wait twice as long as after the last block, or for the first hour."""
        wait = min(LONGEST, FIRST * 2 ** min(self.strikes, 10))
        return replace(self, strikes=self.strikes + 1, until=stamp(now + wait))

    def after_request(self, now: datetime, rest_s: float) -> CoolDown:
        """Wait as long as it asks for, within reason."""
        wait = timedelta(seconds=min(rest_s, LONGEST.total_seconds()))
        return replace(self, until=stamp(now + wait))

    def left(self, now: datetime) -> timedelta:
        """How much of the wait is to come; nothing when it is over or never began."""
        if not self.until:
            return timedelta()
        until = datetime.strptime(self.until, "%Y-%m-%dT%H:%M:%SZ").replace(tzinfo=UTC)
        return max(timedelta(), until - now)


def in_words(time: timedelta) -> str:
    """A wait as one says it: whole minutes, never less than one."""
    hours, minutes = divmod(max(1, -(-int(time.total_seconds()) // 60)), 60)
    return " ".join(([f"{hours} h"] if hours else []) + ([f"{minutes} min"] if minutes else []))
