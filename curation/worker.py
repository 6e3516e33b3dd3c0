"""The worker's side of protected work: `python -m curation.worker`, started by `protected`.

Requests come on stdin and answers go to stdout, both pickled, one at a time. What else the
process or its libraries print is thrown away. It ends when stdin does, so also when whoever
started it was killed.
"""

from __future__ import annotations

import os
import pickle
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import BinaryIO

_PATIENCE_S = 5
"""By how much a worker outlives its time limit before it ends itself: it should have been
killed by then, unless whoever started it is gone."""

Request = tuple[Callable[..., object], tuple[object, ...]]
Answer = tuple[bool, object]
"""Whether the function returned, and what it returned or else raised."""


def main() -> None:
    """Answer requests until there are no more. Arguments: seconds and megabytes per request."""
    seconds, megabytes = int(sys.argv[1]), int(sys.argv[2])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it.
    requests, answers = sys.stdin.buffer, _only_answers()
    _bound_memory(megabytes)
    while (request := _next(requests)) is not None:
        _alarm(seconds + _PATIENCE_S)
        answer = _answer(request)
        _alarm(0)
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _only_answers() -> BinaryIO:
    """Take stdout for the answers alone: what anything else prints there goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


def _bound_memory(megabytes: int) -> None:
    """Let no allocation grow the process by more than this (Linux; elsewhere nothing)."""
    if sys.platform != "linux":
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    limit = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (limit, limit))


def _alarm(seconds: int) -> None:
    """Let the system end this process after so long; 0 calls it off. Not on Windows."""
    if sys.platform != "win32":
        signal.alarm(seconds)


def _next(requests: BinaryIO) -> Request | None:
    try:
        request: Request = pickle.load(requests)  # noqa: S301 - from whoever started this process.
    except EOFError:
        return None
    return request


def _answer(request: Request) -> Answer:
    function, arguments = request
    try:
        return True, function(*arguments)
    except Exception as error:  # noqa: BLE001 - not swallowed: raised again by whoever asked.
        return False, _portable(error)


def _portable(error: Exception) -> Exception:
    """The error itself, or its text where it cannot be pickled and read back."""
    try:
        pickle.loads(pickle.dumps(error))  # noqa: S301 - written by the same line.
    except (pickle.PickleError, TypeError, AttributeError):
        return RuntimeError(f"{type(error).__name__}: {error}")
    return error


if __name__ == "__main__":
    main()
