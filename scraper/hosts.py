"""A slot per host: who may be asked now, who must be left alone, and for how long.

One thread decides and many wait for servers. A host is asked one thing at a time, with a
pause in between; a host in trouble is left alone for longer each time; a host that says
Retry-After is asked by nobody before that. Different hosts do not wait for each other.
"""

from __future__ import annotations

import heapq
import itertools
import queue
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from typing import Self
from urllib.parse import urlsplit

from scraper.clock import Clock
from scraper.errors import FetchError, TransientFetchError
from scraper.fetch import Body, Redirect
from scraper.policy import FetchPolicy

Ask = Callable[[str], Body | Redirect]


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """The host wants to be left alone for longer than this run waits."""

    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one download; `key` is what it was added under."""

    key: int
    outcome: Body | FetchError | Postponed
    attempts: int


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    key: int
    url: str
    attempts: int = 0
    hops: int = 0


@dataclass(slots=True)
class _Slot:
    """One host: what waits for it, and when it may be asked again."""

    waiting: deque[_Task] = field(default_factory=deque)
    is_busy: bool = False
    is_scheduled: bool = False
    ready_at: float = float("-inf")
    troubles: int = 0
    """Failures in a row."""
    closed_because: str = ""


class Downloads:
    """Downloads under way. Add addresses, take outcomes with `next_done` as they come."""

    def __init__(self, ask: Ask, *, policy: FetchPolicy, clock: Clock, rng: Random) -> None:
        self._ask, self._policy, self._clock, self._rng = ask, policy, clock, rng
        self._pool = ThreadPoolExecutor(policy.workers, thread_name_prefix="download")
        self._slots: dict[str, _Slot] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._delayed: list[tuple[float, int, _Task]] = []
        self._order = itertools.count()
        self._in_flight = 0
        self._answered: queue.SimpleQueue[tuple[_Task, Future[Body | Redirect]]] = (
            queue.SimpleQueue()
        )
        self._done: deque[Done] = deque()
        self._open = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._pool.shutdown(wait=False, cancel_futures=True)

    @property
    def is_busy(self) -> bool:
        """Whether an outcome is still to come."""
        return self._open > 0

    def add(self, key: int, url: str) -> None:
        """Queue a download; its outcome will carry `key`."""
        self._open += 1
        self._enqueue(_Task(key=key, url=url))

    def next_done(self) -> Done:
        """Wait for the next outcome; call only while `is_busy`."""
        while not self._done:
            self._start_ready()
            self._take_answers(wait_s=self._until_next_start())
        self._open -= 1
        return self._done.popleft()

    def _enqueue(self, task: _Task) -> None:
        host = host_of(task.url)
        slot = self._slots.setdefault(host, _Slot())
        if slot.closed_because:
            self._postpone(task, slot)
            return
        slot.waiting.append(task)
        self._schedule(host, slot)

    def _schedule(self, host: str, slot: _Slot) -> None:
        """Put a host among those that will be asked, if it has work and is not at it."""
        if slot.waiting and not slot.is_busy and not slot.is_scheduled:
            slot.is_scheduled = True
            heapq.heappush(self._ready, (slot.ready_at, next(self._order), host))

    def _start_ready(self) -> None:
        now = self._clock.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            self._enqueue(heapq.heappop(self._delayed)[2])
        while self._ready and self._in_flight < self._policy.workers and self._ready[0][0] <= now:
            _, _, host = heapq.heappop(self._ready)
            slot = self._slots[host]
            task = slot.waiting.popleft()
            slot.is_busy, slot.is_scheduled = True, False
            self._in_flight += 1
            future = self._pool.submit(self._ask, task.url)
            future.add_done_callback(lambda done, task=task: self._answered.put((task, done)))  # type: ignore[misc]

    def _until_next_start(self) -> float | None:
        """Seconds until something may be asked; None where only an answer can change that."""
        if self._in_flight >= self._policy.workers:
            return None
        due = [heap[0][0] for heap in (self._ready, self._delayed) if heap]
        return max(0.0, min(due) - self._clock.monotonic()) if due else None

    def _take_answers(self, *, wait_s: float | None) -> None:
        if self._done:
            return
        if not self._in_flight:
            self._clock.sleep(wait_s or 0.0)
            return
        try:
            task, future = self._answered.get(timeout=wait_s)
        except queue.Empty:
            return
        self._in_flight -= 1
        self._settle(task, future)

    def _settle(self, task: _Task, future: Future[Body | Redirect]) -> None:
        host = host_of(task.url)
        slot = self._slots[host]
        slot.is_busy = False
        task = replace(task, attempts=task.attempts + 1)
        try:
            answer = future.result()
        except TransientFetchError as error:
            self._rest_after_failure(host, slot, error)
            self._fail_for_now(task, slot, error)
        except FetchError as error:
            self._rest(host, slot)
            self._finish(task, error)
        else:
            self._rest(host, slot)
            self._accept(task, answer)
        self._schedule(host, slot)

    def _accept(self, task: _Task, answer: Body | Redirect) -> None:
        if isinstance(answer, Body):
            self._finish(task, answer)
        elif task.hops >= self._policy.max_redirects:
            reason = f"redirected more than {self._policy.max_redirects} times"
            self._finish(task, FetchError(task.url, reason))
        else:
            # As a new task: the other host has its own slot. Its attempts begin anew.
            self._enqueue(replace(task, url=answer.url, hops=task.hops + 1, attempts=0))

    def _fail_for_now(self, task: _Task, slot: _Slot, error: TransientFetchError) -> None:
        """Try again later: behind what else waits for the host, or after a time of its own."""
        if (error.retry_after_s or 0.0) > self._policy.retry_after_max_s:
            self._close(task, slot, f"the host asks to wait {error.retry_after_s:.0f} s")
        elif task.attempts >= self._policy.attempts:
            self._finish(task, FetchError(error.url, error.reason))
        elif error.is_host_trouble:
            slot.waiting.append(task)
        else:
            wait_s = self._policy.wait_after(task.attempts, jitter=self._rng.random())
            due = self._clock.monotonic() + wait_s
            heapq.heappush(self._delayed, (due, next(self._order), task))

    def _rest_after_failure(self, host: str, slot: _Slot, error: TransientFetchError) -> None:
        """Leave a host in trouble alone, longer each time; one bad image is no such trouble."""
        if not error.is_host_trouble:
            self._rest(host, slot)
            return
        slot.troubles += 1
        wait_s = self._policy.wait_after(slot.troubles, jitter=self._rng.random())
        wait_s = max(wait_s, error.retry_after_s or 0.0, self._policy.pause_s)
        slot.ready_at = self._clock.monotonic() + wait_s

    def _rest(self, host: str, slot: _Slot) -> None:
        """The host answered: pause, and forget its troubles."""
        slot.troubles = 0
        pause_s = self._policy.pause(jitter=self._rng.random()) if host else 0.0
        slot.ready_at = self._clock.monotonic() + pause_s

    def _close(self, task: _Task, slot: _Slot, reason: str) -> None:
        slot.closed_because = reason
        for waiting in (task, *slot.waiting):
            self._postpone(waiting, slot)
        slot.waiting.clear()

    def _postpone(self, task: _Task, slot: _Slot) -> None:
        self._done.append(
            Done(
                key=task.key, outcome=Postponed(reason=slot.closed_because), attempts=task.attempts
            )
        )

    def _finish(self, task: _Task, outcome: Body | FetchError) -> None:
        self._done.append(Done(key=task.key, outcome=outcome, attempts=task.attempts))


def host_of(url: str) -> str:
    """Whose slot an address takes; empty for what no host is asked for."""
    try:
        return urlsplit(url[:2048]).hostname or ""
    except ValueError:
        return ""
