"""A slot per host: who may be asked now, who must be left alone, and for how long.

One thread decides and many wait for servers. A host is first asked for its robots.txt, and
then for what that allows: one thing at a time, with a pause in between that grows while the
host is in trouble or slow, and shrinks as it recovers. A host that says Retry-After is asked
by nobody before that; one that keeps failing is left for another run. Different hosts do not
wait for each other.
"""

from __future__ import annotations

import heapq
import itertools
import queue
from collections import deque
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from random import Random
from typing import Self
from urllib.parse import urlsplit

from scraper.animation import UNWANTED, is_animated
from scraper.clock import Clock
from scraper.errors import FetchError, TransientFetchError, UnwantedError
from scraper.fetch import Body, Redirect
from scraper.policy import FetchPolicy, spread
from scraper.robots import MAX_RULES_HOPS, RULES_LAST_S, Rules, origin_of

Ask = Callable[[str], Body | Redirect]


@dataclass(frozen=True, slots=True, kw_only=True)
class Postponed:
    """The host is left alone for this run: it asks for that, or keeps failing."""

    reason: str
    rest_s: float = 0.0
    """For how long it asked to be left alone; 0 where it named no time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Done:
    """What became of one download; `key` is what it was added under."""

    key: int
    outcome: Body | FetchError | Postponed
    attempts: int
    asked: str = ""
    """Which of its addresses, or what that redirects to, was asked last."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Task:
    key: int
    url: str
    attempts: int = 0
    hops: int = 0
    instead: tuple[str, ...] = ()
    """Further addresses of the image, to be asked where this one does not give it."""
    rules_of: str = ""
    """The origin whose robots.txt this is; empty for an image."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Answered:
    task: _Task
    future: Future[Body | Redirect]
    took_s: float


@dataclass(slots=True)
class _Slot:
    """One host: what waits for it, and when it may be asked again."""

    least_s: float
    """The pause while all is well."""
    pause_s: float
    images: deque[_Task] = field(default_factory=deque)
    rules: deque[_Task] = field(default_factory=deque)
    """Lookups of robots.txt, here or by redirect from elsewhere: they come first."""
    in_flight: int = 0
    is_scheduled: bool = False
    awaits_rules: bool = False
    """A robots.txt is being looked up: until it is there, no image is asked for."""
    ready_at: float = float("-inf")
    troubles: int = 0
    """Failures in a row."""
    closed_because: str = ""
    asked_rest_s: float = 0.0

    def may_start(self, connections: int) -> bool:
        """Whether there is something to ask now, and room for it."""
        room = connections if not self.pause_s else 1
        has_work = bool(self.rules) or bool(self.images and not self.awaits_rules)
        return has_work and self.in_flight < room

    def put(self, task: _Task, *, first: bool = False) -> None:
        """Queue a task behind the others, or before them."""
        waiting = self.rules if task.rules_of else self.images
        waiting.appendleft(task) if first else waiting.append(task)

    def rest_until(self, moment: float) -> None:
        """Ask nothing before `moment`, nor before what was said earlier."""
        self.ready_at = max(self.ready_at, moment)


class Downloads:
    """Downloads under way. Add addresses, take outcomes with `next_done` as they come.

    `ask` fetches an image. `ask_rules` fetches a robots.txt, which hosts are asked for first;
    without it none is looked up, as for a source that asks no hosts.
    """

    def __init__(
        self,
        ask: Ask,
        *,
        policy: FetchPolicy,
        clock: Clock,
        rng: Random,
        ask_rules: Ask | None = None,
    ) -> None:
        self._ask, self._ask_rules = ask, ask_rules
        self._policy, self._clock, self._rng = policy, clock, rng
        self._pool = ThreadPoolExecutor(policy.workers, thread_name_prefix="download")
        self._slots: dict[str, _Slot] = {}
        self._rules: dict[str, tuple[float, Rules]] = {}
        self._ready: list[tuple[float, int, str]] = []
        self._delayed: list[tuple[float, int, _Task]] = []
        self._order = itertools.count()
        self._in_flight = 0
        self._answered: queue.SimpleQueue[_Answered] = queue.SimpleQueue()
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

    def add(self, key: int, url: str, *instead: str) -> None:
        """Queue a download; its outcome will carry `key`.

        `instead` are further addresses of the image, to be asked in turn where one before
        them gives none.
        """
        self._open += 1
        self._enqueue(_Task(key=key, url=url, instead=instead))

    def leave_alone(self, host: str, reason: str) -> None:
        """Ask a host nothing: its downloads are postponed."""
        self._close(self._slot(host), reason)

    def next_done(self) -> Done:
        """Wait for the next outcome; call only while `is_busy`."""
        while not self._done:
            self._start_ready()
            self._take_answers(wait_s=self._until_next_start())
        self._open -= 1
        return self._done.popleft()

    def done_within(self, seconds: float) -> Iterator[Done]:
        """Let so much time pass, and yield the outcomes that come in it; 0 waits for none."""
        until = self._clock.monotonic() + seconds
        left_s = seconds
        while True:
            self._start_ready()
            due_s = self._until_next_start()
            wait_s = max(0.0, left_s if due_s is None else min(left_s, due_s))
            has_answer = self._take_answers(wait_s=wait_s)
            while self._done:
                self._open -= 1
                yield self._done.popleft()
            left_s = until - self._clock.monotonic()
            if left_s <= 0 and not has_answer:
                return

    # --- what is asked next -----------------------------------------------------------

    def _enqueue(self, task: _Task) -> None:
        host = host_of(task.url)
        slot = self._slot(host)
        if slot.closed_because:
            self._postpone(task, slot.closed_because)
            return
        slot.put(task)
        self._schedule(host, slot)

    def _slot(self, host: str) -> _Slot:
        least_s = self._policy.least_pause(host)
        return self._slots.setdefault(host, _Slot(least_s=least_s, pause_s=least_s))

    def _schedule(self, host: str, slot: _Slot) -> None:
        """Put a host among those that will be asked, if it has work and room for it."""
        if not slot.is_scheduled and slot.may_start(self._policy.connections):
            slot.is_scheduled = True
            heapq.heappush(self._ready, (slot.ready_at, next(self._order), host))

    def _start_ready(self) -> None:
        now = self._clock.monotonic()
        while self._delayed and self._delayed[0][0] <= now:
            self._enqueue(heapq.heappop(self._delayed)[2])
        while self._ready and self._in_flight < self._policy.workers and self._ready[0][0] <= now:
            _, _, host = heapq.heappop(self._ready)
            slot = self._slots[host]
            slot.is_scheduled = False
            may_start = slot.ready_at <= now and slot.may_start(self._policy.connections)
            if may_start and (task := self._next_task(slot, now)):
                self._start(task, slot, now)
            self._schedule(host, slot)

    def _next_task(self, slot: _Slot, now: float) -> _Task | None:
        """The next thing that the host allows to be asked; what it does not is settled."""
        if slot.rules:
            return slot.rules.popleft()
        while slot.images:
            task = slot.images.popleft()
            origin = origin_of(task.url) if self._ask_rules else ""
            if not origin:
                return task
            expires_at, rules = self._rules.get(origin, (now, None))
            if rules is None or expires_at <= now:
                slot.images.appendleft(task)
                slot.awaits_rules = True
                return _Task(key=-1, url=f"{origin}/robots.txt", rules_of=origin)
            if rules.allows(task.url):
                return task
            self._finish(task, UnwantedError(task.url, "opted out: its robots.txt disallows it"))
        return None

    def _start(self, task: _Task, slot: _Slot, now: float) -> None:
        slot.in_flight += 1
        self._in_flight += 1
        ask = self._ask_rules if task.rules_of and self._ask_rules else self._ask

        def note(future: Future[Body | Redirect]) -> None:
            took_s = self._clock.monotonic() - now
            self._answered.put(_Answered(task=task, future=future, took_s=took_s))

        self._pool.submit(ask, task.url).add_done_callback(note)

    def _until_next_start(self) -> float | None:
        """Seconds until something may be asked; None where only an answer can change that."""
        if self._in_flight >= self._policy.workers:
            return None
        due = [heap[0][0] for heap in (self._ready, self._delayed) if heap]
        return max(0.0, min(due) - self._clock.monotonic()) if due else None

    # --- what came --------------------------------------------------------------------

    def _take_answers(self, *, wait_s: float | None) -> bool:
        """Wait for one answer, or for so long; whether there was one."""
        if self._done:
            return False
        if not self._in_flight:
            self._clock.sleep(wait_s or 0.0)
            return False
        try:
            answered = self._answered.get(timeout=wait_s)
        except queue.Empty:
            return False
        self._in_flight -= 1
        self._settle(answered)
        return True

    def _settle(self, answered: _Answered) -> None:
        task = replace(answered.task, attempts=answered.task.attempts + 1)
        host = host_of(task.url)
        slot = self._slots[host]
        slot.in_flight -= 1
        try:
            answer = answered.future.result()
        except TransientFetchError as error:
            self._rest_after_failure(slot, error, answered.took_s)
            self._fail_for_now(task, slot, error)
        except FetchError as error:
            self._rest(slot, answered.took_s)
            self._fail(task, error)
        else:
            self._rest(slot, answered.took_s)
            self._accept(task, answer)
        self._schedule(host, slot)

    def _accept(self, task: _Task, answer: Body | Redirect) -> None:
        if isinstance(answer, Redirect):
            self._follow(task, answer)
        elif task.rules_of:
            self._obey(task.rules_of, Rules.parse(answer.body))
        else:
            self._finish(task, answer)

    def _follow(self, task: _Task, redirect: Redirect) -> None:
        """Ask where a redirect leads, as a new task: the other host has its own slot."""
        most = MAX_RULES_HOPS if task.rules_of else self._policy.max_redirects
        if task.hops >= most:
            self._fail(task, FetchError(task.url, f"redirected more than {most} times"))
        else:
            self._enqueue(replace(task, url=redirect.url, hops=task.hops + 1, attempts=0))

    def _fail(self, task: _Task, error: FetchError) -> None:
        if task.rules_of:
            self._obey(task.rules_of, Rules())  # There is none: all is allowed.
        else:
            self._finish(task, error)

    def _fail_for_now(self, task: _Task, slot: _Slot, error: TransientFetchError) -> None:
        """Try again at once when the host may be asked again, or after a time of its own."""
        if (error.retry_after_s or 0.0) > self._policy.retry_after_max_s:
            slot.asked_rest_s = error.retry_after_s or 0.0
            self._close(slot, f"the host asks to wait {error.retry_after_s:.0f} s")
        elif slot.troubles >= self._policy.host_failures:
            self._close(slot, f"the host failed {slot.troubles} times in a row ({error.reason})")
        if slot.closed_because:
            self._postpone(task, slot.closed_because)
        elif task.attempts >= self._policy.attempts:
            self._give_up(task, error)
        elif error.is_host_trouble:
            slot.put(task, first=True)
        else:
            wait_s = self._policy.wait_after(task.attempts, jitter=self._rng.random())
            due = self._clock.monotonic() + wait_s
            heapq.heappush(self._delayed, (due, next(self._order), task))

    def _give_up(self, task: _Task, error: TransientFetchError) -> None:
        if task.rules_of:
            self._postpone(task, f"its robots.txt cannot be read ({error.reason})")
        else:
            self._finish(task, FetchError(error.url, error.reason))

    def _obey(self, origin: str, rules: Rules) -> None:
        """Go on with an origin whose rules are known now."""
        host = host_of(origin)
        slot = self._slots[host]
        self._rules[origin] = (self._clock.monotonic() + RULES_LAST_S, rules)
        slot.awaits_rules = False
        if rules.crawl_delay_s > self._policy.retry_after_max_s:
            self._close(slot, f"its robots.txt asks for {rules.crawl_delay_s:.0f} s of rest")
        elif rules.crawl_delay_s > slot.least_s:
            slot.least_s = rules.crawl_delay_s
            slot.pause_s = max(slot.pause_s, slot.least_s)
            slot.rest_until(self._clock.monotonic() + self._spread(slot.pause_s))
        self._schedule(host, slot)

    # --- how long a host rests --------------------------------------------------------

    def _rest(self, slot: _Slot, took_s: float) -> None:
        """The host answered: pause, and forget its troubles."""
        slot.troubles = 0
        slot.pause_s = self._policy.after_answer(slot.pause_s, least_s=slot.least_s, took_s=took_s)
        slot.rest_until(self._clock.monotonic() + self._spread(slot.pause_s))

    def _rest_after_failure(self, slot: _Slot, error: TransientFetchError, took_s: float) -> None:
        """Leave a host in trouble alone, longer each time; one bad image is no such trouble."""
        if not error.is_host_trouble:
            self._rest(slot, took_s)
            return
        slot.troubles += 1
        slot.pause_s = self._policy.longer(slot.pause_s)
        wait_s = self._policy.wait_after(slot.troubles, jitter=self._rng.random())
        wait_s = max(wait_s, error.retry_after_s or 0.0, slot.pause_s)
        slot.rest_until(self._clock.monotonic() + wait_s)

    def _spread(self, pause_s: float) -> float:
        return spread(pause_s, jitter=self._rng.random())

    def _close(self, slot: _Slot, reason: str) -> None:
        """Leave a host for this run, and the origins whose robots.txt was asked for there."""
        slot.closed_because = reason
        while slot.images:
            self._postpone(slot.images.popleft(), reason)
        while slot.rules:
            self._postpone(slot.rules.popleft(), reason)

    def _postpone(self, task: _Task, reason: str) -> None:
        if not task.rules_of:
            rest_s = self._slots[host_of(task.url)].asked_rest_s
            outcome = Postponed(reason=reason, rest_s=rest_s)
            self._done.append(_done(task, outcome))
        elif not (slot := self._slots[host_of(task.rules_of)]).closed_because:
            self._close(slot, reason)

    def _finish(self, task: _Task, outcome: Body | FetchError) -> None:
        if isinstance(outcome, FetchError) and task.instead:
            url, *instead = task.instead
            self._enqueue(_Task(key=task.key, url=url, instead=tuple(instead)))
        else:
            self._done.append(_done(task, outcome))


def _done(task: _Task, outcome: Body | FetchError | Postponed) -> Done:
    return Done(key=task.key, outcome=outcome, attempts=task.attempts, asked=task.url)


def storing(ask: Ask, store: Callable[[bytes], str]) -> Ask:
    """An `ask` whose images are stored by the thread that fetched them, many at a time."""

    def asked(url: str) -> Body | Redirect:
        answer = ask(url)
        return replace(answer, sha256=store(answer.body)) if isinstance(answer, Body) else answer

    return asked


def stills_only(ask: Ask) -> Ask:
    """An `ask` that refuses what moves."""

    def asked(url: str) -> Body | Redirect:
        answer = ask(url)
        if isinstance(answer, Body) and is_animated(answer.body):
            raise UnwantedError(url, UNWANTED)
        return answer

    return asked


def host_of(url: str) -> str:
    """Whose slot an address takes; empty for what no host is asked for."""
    try:
        return urlsplit(url[:2048]).hostname or ""
    except ValueError:
        return ""
