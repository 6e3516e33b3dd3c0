"""What every source gives the crawl: candidates in batches, and why there are no more."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Protocol

from scraper.clock import Clock
from scraper.harvest import Candidate
from scraper.queries import Query
from scraper.species import Species


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Candidates found together, in rank order; the last batch says why the search ended."""

    candidates: tuple[Candidate, ...] = ()
    ended_because: str = ""
    rest_s: float = 0.0
    """How long to wait before the next batch is asked for. There is other work to do meanwhile,
    so a source says that it rests, and does not sleep itself."""


ENOUGH = "enough candidates"
"""The one end of a search after which the source may have more."""


class Source(Protocol):
    """Where candidates come from."""

    name: str
    """As the command line writes it."""
    is_local: bool
    """Whether a search costs nothing, as in a list on this machine."""

    def queries(self, species: Species) -> tuple[Query, ...]:
        """What the source can be asked for a species, the most telling first; at least one.

        Raises:
            UsageError: a list or folder does not have the species.
        """

    def search(self, query: Query, *, wanted: int) -> Iterator[Batch]:
        """Yield what a query finds until there are `wanted` candidates, or no more.

        Whoever takes a batch lets its `rest_s` pass before the next.

        Raises:
            BlockedError: the source turned us away.
            LayoutError: it answered, and the answer could not be understood.
        """


def rested(batches: Iterable[Batch], clock: Clock) -> Iterator[Batch]:
    """Take batches one after the other, for those who have nothing else to do meanwhile."""
    for batch in batches:
        if batch.rest_s:
            clock.sleep(batch.rest_s)
        yield batch
