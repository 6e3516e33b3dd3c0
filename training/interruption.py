"""Ctrl-C during a training: the step is finished and kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator

from training.errors import PausedError


@contextlib.contextmanager
def resumable() -> Iterator[None]:
    """Say of a Ctrl-C that comes between the steps what it cost: nothing that was kept.

    Raises:
        PausedError: it came; the same command goes on.
    """
    try:
        yield
    except KeyboardInterrupt as error:
        told = "interrupted: what is done is kept, and the same command goes on"
        raise PausedError(told) from error


@contextlib.contextmanager
def interruption(tell: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into an answer to a question; a second one is as harsh as ever."""
    pressed = threading.Event()

    def note(_signal: int, _frame: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        tell("\nStopping after this step …")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
