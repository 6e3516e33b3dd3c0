"""Lined: pairs of pictures that stand in line, the best first, out of memory."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from curation.filed import Filed
from curation.pairs import Numbers, Places

_AT_ONCE = 1 << 14
"""Pairs that are read together: bounds memory."""
_PORTIONS = 16
"""In which pairs are sorted, or up to twice as many: for each all are read."""


class Lined:
    """Pairs of a better and a worse picture, by place in line, numbered as they come.

    They lie in a nameless file, and once asked for by their better pictures in another;
    4 bytes a picture stay in memory.
    """

    def __init__(self, pictures: int) -> None:
        self.pictures = pictures
        self._ends = Filed(np.int32, 2)
        self._by_better: tuple[Filed[np.int32], Places] | None = None

    def __len__(self) -> int:
        return len(self._ends)

    def add(self, better: NDArray[np.integer], worse: NDArray[np.integer]) -> None:
        """Take pairs in, at the end."""
        self._ends.add(np.stack((better, worse), axis=1).astype(np.int32))
        self._by_better = None

    def ends(self, numbers: Numbers) -> tuple[Places, Places]:
        """The better and the worse picture of these pairs."""
        better, worse = self._ends[numbers].T
        return better, worse

    def parts(self) -> Iterator[tuple[Numbers, Places, Places]]:
        """Numbers, better and worse pictures of all pairs, some at a time."""
        first = 0
        for better, worse in (rows.T for rows in self._ends.parts(_AT_ONCE)):
            yield np.arange(first, first + len(better)), better, worse
            first += len(better)

    def below(
        self, pictures: Numbers, *, at_once: int = _AT_ONCE
    ) -> Iterator[tuple[Numbers, Places]]:
        """Numbers and worse pictures of the pairs in which these are the better ones.

        In their order, and below one picture the best first; so many at a time.
        """
        if self._by_better is None:
            self._by_better = self._sorted()
        rows, starts = self._by_better
        before = starts[pictures]
        ends = np.cumsum(starts[pictures + 1] - before, dtype=np.int64)
        before = before - np.append(0, ends[:-1])[: len(ends)]
        total = int(ends[-1]) if len(ends) else 0
        for first in range(0, total, at_once):
            nth = np.arange(first, min(first + at_once, total))
            numbers, worse = rows[before[np.searchsorted(ends, nth, side="right")] + nth].T
            yield numbers.astype(np.int64), worse

    def _sorted(self) -> tuple[Filed[np.int32], Places]:
        """Numbers and worse pictures by better ones, and where those of each of these begin."""
        starts = np.zeros(self.pictures + 1, np.int32)
        for _, better, _ in self.parts():
            np.add.at(starts, better + 1, 1)
        np.cumsum(starts, out=starts)
        rows = Filed(np.int32, 2)
        most = max(_AT_ONCE, -(-len(self) // _PORTIONS))
        first = 0
        while first < self.pictures:
            past = int(np.searchsorted(starts, starts[first] + most, side="right")) - 1
            past = max(first + 1, min(past, self.pictures))
            rows.add(self._between(first, past))
            first = past
        return rows, starts

    def _between(self, first: int, past: int) -> NDArray[np.int32]:
        """Numbers and worse pictures of the pairs whose better one is in a range, by that."""
        found = [
            np.stack((better[some], worse[some], numbers[some]), axis=1).astype(np.int32)
            for numbers, better, worse in self.parts()
            if (some := np.flatnonzero((better >= first) & (better < past))).size
        ]
        if not found:
            return np.empty((0, 2), np.int32)
        better, worse, numbers = np.concatenate(found).T
        order = np.lexsort((worse, better))
        return np.stack((numbers[order], worse[order]), axis=1)
