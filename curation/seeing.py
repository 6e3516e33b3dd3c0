"""Seeing: every original once, by worker processes, or as an earlier run saw it."""

from __future__ import annotations

import contextlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from curation import looking, reasons
from curation.looking import Seen
from curation.protected import GivenUp, Workers
from curation.recipe import CurationRecipe
from curation.store import Store, shaping
from curation.worker import in_turn

_AT_ONCE = 4
"""Images that a worker is given at once, so that it waits for more but rarely."""
_AHEAD = 2
"""Such batches in flight per worker."""

T = TypeVar("T")


class Calls(Protocol):
    """Whoever calls a function elsewhere: `protected.Workers`, or a Ray cluster's."""

    def call(self, function: Callable[..., T], *arguments: object) -> T | GivenUp:
        """What the function returns; called from several threads."""


Look = Callable[[str, Path, Path, CurationRecipe], Seen]
"""What a worker does with an image: see `curation.looking.look_beside_others`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """How many images are looked at at once, by whom, and how.

    The result depends on none of it, but for images that crash a worker or are given up.
    """

    count: int = 1
    workers: Calls | None = None
    """Workers that are there already, and outlive this dataset."""
    look: Look = looking.look_beside_others
    alone: Look = looking.look
    """What one does with an image that the other left, because it takes much memory."""


def seen_by(
    eyes: Eyes,
    digests: Iterable[str],
    store: Store,
    recipe: CurationRecipe,
    original: Callable[[str], Path],
) -> Iterator[Seen]:
    """What is seen of each original, in the order given, with a few per worker in flight.

    Args:
        eyes: who looks.
        digests: of the originals.
        store: has what earlier runs saw, and gets what this one sees.
        recipe: shapes what is seen.
        original: where the file of a digest lies.
    """
    with contextlib.ExitStack() as ends:
        workers: Calls = eyes.workers or ends.enter_context(Workers())
        watch = _Watch(eyes, workers, store, recipe, original)
        yield from _in_order(watch.seen, digests, eyes.count, watch.is_over)


class _Watch:
    """Looks at some originals at a time, in as many threads as it is asked from."""

    def __init__(
        self,
        eyes: Eyes,
        workers: Calls,
        store: Store,
        recipe: CurationRecipe,
        original: Callable[[str], Path],
    ) -> None:
        self._eyes, self._workers, self._store, self._original = eyes, workers, store, original
        self._recipe, self._shaped = recipe, shaping(recipe)
        self._turns = _Turns()
        self.is_over = threading.Event()
        """Nobody waits for what is still to be seen."""

    def seen(self, digests: tuple[str, ...]) -> list[Seen]:
        """What is known of each, or else what a look finds."""
        known = {digest: self._store.seen(digest, self._recipe) for digest in digests}
        new = self._looked([digest for digest, found in known.items() if found is None])
        return [known[digest] or new[digest] for digest in digests]

    def _looked(self, digests: list[str]) -> dict[str, Seen]:
        if not digests:
            return {}
        with self._turns.beside():
            outcome = self._asked(self._eyes.look, digests)
        if isinstance(outcome, GivenUp):
            if len(digests) == 1:
                return {digests[0]: Seen(digest=digests[0], reason=outcome.because)}
            # One of them did it: each on its own.
            return {digest: self._looked([digest])[digest] for digest in digests}
        done = {one.digest: one for one in outcome if one.reason != reasons.HEAVY}
        for one in done.values():
            self._store.keep(one)
        return done | {digest: self._alone(digest) for digest in digests if digest not in done}

    def _alone(self, digest: str) -> Seen:
        """A picture that takes much memory, while no other is looked at."""
        with self._turns.alone():
            if self.is_over.is_set():
                return Seen(digest=digest, reason=reasons.HEAVY)
            outcome = self._asked(self._eyes.alone, [digest])
        if isinstance(outcome, GivenUp):
            return Seen(digest=digest, reason=outcome.because)
        self._store.keep(outcome[0])
        return outcome[0]

    def _asked(self, how: Look, digests: list[str]) -> list[Seen] | GivenUp:
        requests = [
            (digest, self._original(digest), self._store.rendered(digest)) for digest in digests
        ]
        return self._workers.call(partial(in_turn, how), requests, self._shaped)


class _Turns:
    """Many at once beside each other, or one alone, who goes before those that still wait."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._beside, self._waiting, self._is_alone = 0, 0, False

    @contextlib.contextmanager
    def beside(self) -> Iterator[None]:
        """Work while others may, too."""
        with self._changed:
            self._changed.wait_for(lambda: not self._waiting and not self._is_alone)
            self._beside += 1
        try:
            yield
        finally:
            with self._changed:
                self._beside -= 1
                self._changed.notify_all()

    @contextlib.contextmanager
    def alone(self) -> Iterator[None]:
        """Work while nobody else does."""
        with self._changed:
            self._waiting += 1
            self._changed.wait_for(lambda: not self._beside and not self._is_alone)
            self._waiting -= 1
            self._is_alone = True
        try:
            yield
        finally:
            with self._changed:
                self._is_alone = False
                self._changed.notify_all()


def _in_order(
    seen: Callable[[tuple[str, ...]], list[Seen]],
    digests: Iterable[str],
    threads: int,
    is_over: threading.Event,
) -> Iterator[Seen]:
    waiting: deque[Future[list[Seen]]] = deque()
    todo = iter(digests)
    batches = iter(lambda: tuple(islice(todo, _AT_ONCE)), ())
    with ThreadPoolExecutor(threads, thread_name_prefix="see") as pool:
        try:
            while True:
                room = threads * _AHEAD - len(waiting)
                waiting.extend(pool.submit(seen, batch) for batch in islice(batches, room))
                if not waiting:
                    return
                yield from waiting.popleft().result()
        finally:
            is_over.set()
            for future in waiting:
                future.cancel()
