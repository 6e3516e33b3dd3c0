"""Protected work: a function that hangs, crashes or eats memory takes nobody else with it.

Decoders are C; no thread survives their faults. So each call runs in a worker process,
bounded in time and memory, and what ends the process ends that one call. Workers are plain
subprocesses: unlike `multiprocessing` they import nothing of the program that starts them,
so it needs no `__main__` guard, and any thread can start one on any system.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, ParamSpec, Self, TypeVar

from curation.errors import WorkerError
from curation.worker import Answer, ready

P = ParamSpec("P")
T = TypeVar("T")

_TICK_S = 0.1
"""How often running calls are checked for being too slow."""
_START_S = 120
"""What a worker may take to start and to import what it will call, on a busy machine."""
_SINGLE_THREADED = {"OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
"""The work is divided among workers already."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bounds:
    """What one call may take before it is given up.

    No part of the recipe: in good files nothing comes near these bounds.
    """

    seconds: int = 30
    """By the clock."""
    megabytes: int = 1024
    """Of memory, on top of what an idle worker has. Enforced on Linux."""

    def __post_init__(self) -> None:
        if min(self.seconds, self.megabytes) < 1:
            raise ValueError(f"bounds must be at least 1, not {self}")


@dataclass(frozen=True, slots=True)
class GivenUp:
    """A call that went beyond its bounds, or took its worker down."""

    because: Literal["crashed", "too slow", "too much memory"]


class _Worker:
    """One process, which serves one call at a time."""

    def __init__(self, bounds: Bounds) -> None:
        self._deadline = float("inf")
        self._is_late = False
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "curation.worker", str(bounds.megabytes)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **_SINGLE_THREADED, "PYTHONPATH": os.pathsep.join(sys.path)},
        )

    def call(
        self, function: Callable[..., object], arguments: tuple[object, ...], seconds: int
    ) -> Answer | None:
        """What the function answers; None if the process is no more."""
        requests, answers = self._process.stdin, self._process.stdout
        assert requests is not None
        assert answers is not None
        call = pickle.dumps((function, arguments))
        self._deadline = time.monotonic() + seconds
        try:
            pickle.dump((seconds, call), requests)
            requests.flush()
            answer: Answer = pickle.load(answers)  # noqa: S301 - from our own process.
        except (EOFError, OSError, pickle.UnpicklingError):
            return None
        except ValueError:  # Its pipes were closed meanwhile, by `end`.
            return None
        finally:
            self._deadline = float("inf")
        return answer

    def end_if_late(self) -> None:
        """Kill the process if its call has taken too long."""
        if time.monotonic() > self._deadline:
            self._is_late = True
            self._process.kill()

    def end(self) -> GivenUp:
        """Make sure that the process is no more; say why it is not, if that was not meant."""
        self._process.kill()
        for pipe in (self._process.stdin, self._process.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # What was not sent is lost.
                    pipe.close()
        self._process.wait()
        return GivenUp("too slow" if self._is_late else "crashed")


class Workers:
    """Worker processes, started as they are needed: as many as threads call at once."""

    def __init__(self, bounds: Bounds | None = None) -> None:
        self._bounds = bounds or Bounds()
        self._idle: deque[_Worker] = deque()
        self._all: set[_Worker] = set()
        self._is_closed = threading.Event()
        self._watch = threading.Thread(target=self._end_late_ones, name="watch", daemon=True)
        self._lock = threading.Lock()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self.close()

    def close(self) -> None:
        """End all workers, also those that are at work."""
        self._is_closed.set()
        for worker in list(self._all):
            self._end(worker)

    def call(self, function: Callable[P, T], *arguments: P.args, **_: P.kwargs) -> T | GivenUp:
        """Call a function that a worker can import, with arguments that can be pickled.

        What ends a worker is tried a second time, unless it was slow: it may have been the
        system that was short of memory.

        Raises:
            WorkerError: there are no worker processes to be had.
            Exception: what the function raises.
        """
        outcome = self._attempt(function, arguments)
        if outcome == GivenUp("crashed") and not self._is_closed.is_set():
            outcome = self._attempt(function, arguments)
        return outcome

    def _attempt(self, function: Callable[..., T], arguments: tuple[object, ...]) -> T | GivenUp:
        if self._is_closed.is_set():  # A worker that is started now, nobody would end.
            return GivenUp("crashed")
        try:
            worker = self._idle.pop()
        except IndexError:
            worker = self._started(function)
        answer = worker.call(function, arguments, self._bounds.seconds)
        if answer is None:
            return self._end(worker)
        self._idle.append(worker)
        if isinstance(answer[1], MemoryError):
            return GivenUp("too much memory")
        return returned(answer)  # type: ignore[return-value] # What the function returns.

    def _started(self, function: Callable[..., object]) -> _Worker:
        worker = _Worker(self._bounds)
        with self._lock:
            self._all.add(worker)
            if not self._watch.is_alive():
                self._watch.start()
        answer = worker.call(ready, (function,), _START_S)
        if answer is None:
            self._end(worker)
            raise WorkerError(
                f"no worker process can be started with {sys.executable}:"
                " see whether `bestiary doctor` finds fault with this Python"
            )
        returned(answer)
        return worker

    def _end(self, worker: _Worker) -> GivenUp:
        with self._lock:
            self._all.discard(worker)
        return worker.end()

    def _end_late_ones(self) -> None:
        while not self._is_closed.wait(_TICK_S):
            with self._lock:
                for worker in self._all:
                    worker.end_if_late()


def returned(answer: Answer) -> object:
    """What a call returned; raises what it raised."""
    did_return, value = answer
    if not did_return:
        assert isinstance(value, Exception)
        raise value
    return value
