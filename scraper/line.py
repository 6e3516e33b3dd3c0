"""The line of one species: its candidates, best first, and which of them may be asked for.

Of a line the first so many are kept that succeed. While searches go on, better candidates
may still come, so only those may be asked for that will be among the asked ones whatever
comes: images are fetched while a browser searches, and yet what is kept does not depend on
how fast anybody was.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable

from scraper.harvest import Record

_Place = tuple[bool, int, int]


class Line:
    """Candidates of one species that wait, of which `missing` more are to be kept."""

    def __init__(self, *, missing: int) -> None:
        self._missing = missing
        self._waiting: list[tuple[_Place, Record]] = []
        self._searches: dict[str, int] = {}
        """Queries that are not at their end, and how many results each has shown so far."""
        self.last_id = 0
        """The newest record that was ever in line."""

    def join(self, records: Iterable[Record]) -> None:
        """Take in candidates: full-size images come before thumbnails, then rank decides."""
        for record in records:
            place = (not record.candidate.image_url, record.rank, record.id)
            heapq.heappush(self._waiting, (place, record))
            self.last_id = max(self.last_id, record.id)

    def expect(self, query: str, *, found: int = 0) -> None:
        """Say that a query is going to bring more, from rank `found` on."""
        self._searches[query] = found

    def expect_no_more(self, query: str) -> None:
        """Say that a query has ended."""
        self._searches.pop(query, None)

    def expect_nothing(self) -> None:
        """Say that all queries have ended, or will not go on."""
        self._searches.clear()

    def next(self) -> Record | None:
        """The next candidate that may be asked for now; it counts as kept until `lost`."""
        if not self._waiting or self._better_to_come() >= self._missing:
            return None
        self._missing -= 1
        return heapq.heappop(self._waiting)[1]

    def lost(self) -> None:
        """Say that a candidate that was asked for was not kept: another takes its place."""
        self._missing += 1

    def _better_to_come(self) -> int:
        """How many candidates may still come that go before the first in line, at most.

        A query gives one candidate a rank, and those of the same rank line up behind it.
        """
        (is_thumbnail, rank, _), _ = self._waiting[0]
        if is_thumbnail and self._searches:
            return self._missing  # Any full-size image goes before it.
        return sum(max(0, rank - found) for found in self._searches.values())
