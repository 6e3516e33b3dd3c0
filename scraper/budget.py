"""One budget of questions per search site, shared by every process of a user.

A site sees one visitor, however many commands or browsers that visitor runs. So the time of
the last question to each site is kept in a small database that processes lock in turn: whoever
comes when the pause after it is over may ask, and whoever does not comes again.

    budget = Budget(shared_file(instead=harvest / "search-turns.sqlite"))
    while wait_s := budget.take_turn("www.google.com", pause_s=2.0, clock=clock):
        clock.sleep(wait_s)

    budget.note("www.google.com", clock=clock)      # when the answer is there

A process that dies while it waits holds up nobody, and one that dies while it asks, for a minute.
"""

from __future__ import annotations

import contextlib
import os
import sqlite3
import sys
from collections.abc import Iterator
from pathlib import Path

from scraper.clock import Clock
from scraper.errors import ScraperError

_LOCK_TIMEOUT_S = 60.0
_ANSWER_S = 60.0
"""A turn is over after that, even if whoever took it was killed before there was an answer."""
_LOOK_S = 0.1
"""How often to see whether another process has its answer."""
_CLOCKS_DIFFER_S = 3600.0
"""A question further ahead was noted by a clock that was wrong."""


class Budget:
    """Turns at search sites, kept in one file."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def take_turn(self, host: str, *, pause_s: float, clock: Clock) -> float:
        """Take the turn at this host if it is free: 0, or else seconds after which to come again.

        Whoever takes it says with `note` when the answer is there; until then it is nobody else's.
        Two turns at one host are at least `pause_s` of the later one apart.

        Raises:
            ScraperError: the file cannot be written.
        """
        with self._turns() as turns:
            now = clock.now().timestamp()
            row = turns.execute("SELECT last FROM turns WHERE host = ?", (host,)).fetchone()
            last = row[0] if row and row[0] < now + _CLOCKS_DIFFER_S else -pause_s
            wait_s = max(0.0, last + pause_s - now) if last <= now else _LOOK_S
            if not wait_s:
                _note(turns, host, now + _ANSWER_S)
        return wait_s

    def note(self, host: str, *, clock: Clock) -> None:
        """Let the pause begin now, with the answer and not with the question."""
        with self._turns() as turns:
            _note(turns, host, clock.now().timestamp())

    @contextlib.contextmanager
    def _turns(self) -> Iterator[sqlite3.Connection]:
        """The table of turns, locked against every other process."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            with contextlib.closing(self._open()) as file:
                file.execute("BEGIN IMMEDIATE")
                file.execute("CREATE TABLE IF NOT EXISTS turns (host PRIMARY KEY, last REAL)")
                yield file
                file.execute("COMMIT")
        except (OSError, sqlite3.Error) as error:
            raise ScraperError(
                f"cannot keep the search budget in {self._path}: {error}; remove that file, or"
                " let XDG_CACHE_HOME name a folder that can be written to"
            ) from error

    def _open(self) -> sqlite3.Connection:
        return sqlite3.connect(self._path, timeout=_LOCK_TIMEOUT_S, isolation_level=None)


def _note(turns: sqlite3.Connection, host: str, moment: float) -> None:
    turns.execute("INSERT OR REPLACE INTO turns VALUES (?, ?)", (host, moment))


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
