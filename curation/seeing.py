"""Seeing: every original once, by worker processes, or as an earlier run saw it."""

from __future__ import annotations

import contextlib
import itertools
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from curation.looking import Seen, look
from curation.protected import GivenUp, Workers
from curation.recipe import CurationRecipe
from curation.store import Store, shaping

_AHEAD = 4
"""Images in flight per worker."""

Look = Callable[[str, Path, Path, CurationRecipe], Seen]
"""What a worker does with an image: see `curation.looking.look`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Eyes:
    """How many images are looked at at once, by whom, and how.

    The result depends on none of it, but for images that crash a worker or are given up.
    """

    count: int = 1
    workers: Workers | None = None
    """Where many datasets are made in a row: workers that outlive this one."""
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
    with contextlib.ExitStack() as ends:
        workers = eyes.workers or ends.enter_context(Workers())

        def seen(digest: str) -> Seen:
            known = store.seen(digest, recipe)
            if known is not None:
                return known
            arguments = (digest, original(digest), store.rendered(digest), shaping(recipe))
            outcome = workers.call(eyes.look, *arguments)
            if isinstance(outcome, GivenUp):
                return Seen(digest=digest, reason=outcome.because)
            store.keep(outcome)
            return outcome

        yield from _in_order(seen, digests, eyes.count)


def _in_order(seen: Callable[[str], Seen], digests: Iterable[str], threads: int) -> Iterator[Seen]:
    waiting: deque[Future[Seen]] = deque()
    todo = iter(digests)
    with ThreadPoolExecutor(threads, thread_name_prefix="see") as pool:
        try:
            while True:
                room = threads * _AHEAD - len(waiting)
                waiting.extend(pool.submit(seen, digest) for digest in itertools.islice(todo, room))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()
