"""The worker's side of protected work: `python -m curation.worker`, started by `protected`.

Requests come on stdin and answers go to stdout, both pickled, one at a time. What else the
process or its libraries print is thrown away. It ends when stdin does, so also when whoever
started it was killed.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import signal
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import BinaryIO, TypeVar

T = TypeVar("T")

_PATIENCE_S = 5
"""By how much a worker outlives its time limit before it ends itself: it should have been
killed by then, unless whoever started it is gone."""

Request = tuple[int, bytes]
"""How many seconds there are for it, and a function with its arguments: pickled once more, so
that it can be answered, too, if they cannot be found here."""
Answer = tuple[bool, object]
"""Whether the function returned, and what it returned or else raised."""


def main() -> None:
    """Answer requests until there are no more, each with so many megabytes as the argument says."""
    megabytes = int(sys.argv[1])
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started it.
    requests, answers = sys.stdin.buffer, _only_answers()
    while (request := _next(requests)) is not None:
        seconds, call = request
        _alarm(seconds + _PATIENCE_S)
        answer = answered(call, megabytes)
        _alarm(0)
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()


def _only_answers() -> BinaryIO:
    """Take stdout for the answers alone: what anything else prints there goes to stderr."""
    answers = os.fdopen(os.dup(sys.stdout.fileno()), "wb")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return answers


@contextlib.contextmanager
def _bounded_memory(megabytes: int) -> Iterator[None]:
    """Let the process grow by no more than this, on top of what it has by now.

    Linux alone: elsewhere the limit is not kept, or cannot be set.
    """
    if sys.platform != "linux":
        yield
        return
    import resource

    pages = int(Path("/proc/self/statm").read_text(encoding="ascii").split()[0])
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    bound = pages * resource.getpagesize() + megabytes * 2**20
    resource.setrlimit(resource.RLIMIT_AS, (bound if hard < 0 else min(bound, hard), hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


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


def answered(call: bytes, megabytes: int) -> Answer:
    """Call a pickled function with its arguments, with so much memory more than there is now."""
    try:
        function, arguments = pickle.loads(call)  # noqa: S301 - from whoever started this.
        with _bounded_memory(megabytes):
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


def ready(function: object) -> bool:
    """Be called first with the function that will be called: so its module is imported here."""
    return callable(function)


def in_turn(
    function: Callable[..., T], each: Iterable[tuple[object, ...]], *common: object
) -> list[T]:
    """Call a function many times, with arguments of each call's own and those of all."""
    return [function(*own, *common) for own in each]


if __name__ == "__main__":
    main()
