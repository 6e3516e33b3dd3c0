"""One budget of questions per search site, shared by every process of a user.

A site sees one visitor, however many commands or browsers that visitor runs. So the time of
the next turn at each site is kept in a small database that processes lock in turn: whoever
wants to ask takes the next free turn, which moves it on by the pause, and sleeps until then.

    budget = Budget(shared_file(instead=harvest / "search-turns.sqlite"))
    budget.wait_turn("www.google.com", pause_s=2.0, clock=SystemClock())

A process that dies while it waits has used up its turn, and holds up nobody.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from pathlib import Path

from scraper.clock import Clock
from scraper.errors import ScraperError

_LOCK_TIMEOUT_S = 60.0
_LONGEST_QUEUE_S = 3600.0
"""A turn further ahead was written by a clock that was wrong."""


class Budget:
    """Turns at search sites, kept in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def wait_turn(self, host: str, *, pause_s: float, clock: Clock) -> float:
        """Sleep until it is our turn to ask this host; return how long that took, in seconds.

        Two turns at one host are at least `pause_s` of the later one apart.

        Raises:
            ScraperError: the file cannot be written.
        """
        now = clock.now().timestamp()
        wait_s = max(0.0, self._take(host, now=now, pause_s=pause_s) - now)
        if wait_s:
            clock.sleep(wait_s)
        return wait_s

    def _take(self, host: str, *, now: float, pause_s: float) -> float:
        """Take the next free turn at a host, as seconds since the epoch."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(self._open()) as file:
                file.execute("BEGIN IMMEDIATE")
                file.execute("CREATE TABLE IF NOT EXISTS turns (host PRIMARY KEY, last REAL)")
                row = file.execute("SELECT last FROM turns WHERE host = ?", (host,)).fetchone()
                last = row[0] if row and row[0] < now + _LONGEST_QUEUE_S else -pause_s
                turn = max(now, last + pause_s)
                file.execute("INSERT OR REPLACE INTO turns VALUES (?, ?)", (host, turn))
                file.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise ScraperError(
                f"cannot keep the search budget in {self._path}: {error}; remove that file, or"
                " let XDG_CACHE_HOME name a folder that can be written to"
            ) from error
        return turn

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)


def shared_file(*, instead: Path) -> Path:
    """Where a user's processes meet; `instead`, where there is no cache folder to write to."""
    file = _cache_file()
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
    except OSError:
        return instead
    return file if os.access(file.parent, os.W_OK) else instead


def _cache_file() -> Path:
    """In the folder that the platform has for a user's caches."""
    if sys.platform == "darwin":
        cache = Path.home() / "Library" / "Caches"
    elif sys.platform == "win32":
        cache = Path(os.environ.get("LOCALAPPDATA") or Path.home() / "AppData" / "Local")
    else:
        cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return cache / "bestiary" / "search-turns.sqlite"
