"""Seeing: every original once, by worker processes, or as an earlier run saw it."""

from __future__ import annotations

import contextlib
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Protocol, TypeVar

from curation.looking import Seen, look
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
"""What a worker does with an image: see `curation.looking.look`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """How many images are looked at at once, by whom, and how.

    The result depends on none of it, but for images that crash a worker or are given up.
    """

    count: int = 1
    workers: Calls | None = None
    """Workers that are there already, and outlive this dataset."""
    look: Look = look


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
    shaped = shaping(recipe)
    with contextlib.ExitStack() as ends:
        workers: Calls = eyes.workers or ends.enter_context(Workers())

        def seen(batch: tuple[str, ...]) -> list[Seen]:
            known = {digest: store.seen(digest, recipe) for digest in batch}
            new = looked([digest for digest, found in known.items() if found is None])
            return [known[digest] or new[digest] for digest in batch]

        def looked(digests: list[str]) -> Mapping[str, Seen]:
            if not digests:
                return {}
            requests = [(digest, original(digest), store.rendered(digest)) for digest in digests]
            outcome = workers.call(partial(in_turn, eyes.look), requests, shaped)
            if not isinstance(outcome, GivenUp):
                for one in outcome:
                    store.keep(one)
                return {one.digest: one for one in outcome}
            if len(digests) > 1:  # One of them did it: each on its own.
                return {digest: looked([digest])[digest] for digest in digests}
            return {digests[0]: Seen(digest=digests[0], reason=outcome.because)}

        yield from _in_order(seen, digests, eyes.count)


def _in_order(
    seen: Callable[[tuple[str, ...]], list[Seen]], digests: Iterable[str], threads: int
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
            for future in waiting:
                future.cancel()
