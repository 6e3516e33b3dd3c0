"""Holds: of several processes one at a time has a file or a folder to itself."""

from __future__ import annotations

import sys


def take_hold(descriptor: int) -> bool:
    """Hold what is open until it is closed; False where another process does (never on Windows)."""
    if sys.platform != "win32":
        import fcntl

        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
    return True
