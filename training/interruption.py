"""Ctrl-C during a training: what is under way is finished and kept."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from training.errors import HaltedError


@contextlib.contextmanager
def resumable() -> Iterator[Callable[[Path], None]]:
    """Say of a Ctrl-C that no step could answer what it cost, and how to go on.

    Yields what to tell the folder that `--run` goes on in; the first one told counts.

    Raises:
        HaltedError: it came.
    """
    begun: list[Path] = []
    try:
        yield begun.append
    except KeyboardInterrupt as error:
        where = f" and --run {begun[0]}" if begun else ""
        raise HaltedError(
            f"interrupted: epochs that were kept are not lost; go on with the same command{where}"
        ) from error


@contextlib.contextmanager
def interruption(tell: Callable[[str], None]) -> Iterator[Callable[[], bool]]:
    """Turn the first Ctrl-C into an answer to a question; a second one is as harsh as ever.

    Raises:
        KeyboardInterrupt: the block ended as if it had not come: what follows must not begin.
    """
    pressed = threading.Event()

    def note(_signal: int, _frame: object) -> None:
        if pressed.is_set():
            raise KeyboardInterrupt
        pressed.set()
        tell("\nStopping as soon as this step can be kept …")

    before = signal.signal(signal.SIGINT, note)
    try:
        yield pressed.is_set
    finally:
        signal.signal(signal.SIGINT, before)
    if pressed.is_set():
        raise KeyboardInterrupt
