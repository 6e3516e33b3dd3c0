"""Pairs: two pictures that look alike, and many such, in arrays."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import overload

import numpy as np
from numpy.typing import NDArray

_BITS = 32
"""Of the second picture of a pair, packed with the first."""

Places = NDArray[np.int32]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two pictures that were verified to look alike, by their place in the album."""

    first: int
    second: int
    likeness: float


class PairEnds:
    """Both pictures of many pairs, numbered as they come: 8 bytes each, 24 once looked up."""

    def __init__(self) -> None:
        self._packed = array("q")
        self._sorted = np.empty(0, np.int64), np.empty(0, np.int64)

    def __len__(self) -> int:
        return len(self._packed)

    def append(self, first: int, second: int) -> None:
        """Take a pair in, at the end."""
        self._packed.append(first << _BITS | second)

    def extend(self, first: Numbers, second: Numbers) -> None:
        """Take pairs in, at the end."""
        self._packed.frombytes((first.astype(np.int64) << _BITS | second).tobytes())

    def __getitem__(self, number: int) -> tuple[int, int]:
        return divmod(self._packed[number], 1 << _BITS)

    @property
    def columns(self) -> tuple[Places, Places]:
        """The first and the second picture of each, in step."""
        packed = np.array(self._packed)
        return (packed >> _BITS).astype(np.int32), packed.astype(np.int32)

    def last(self, first: int, second: int) -> int | None:
        """The number of these two pictures in this order, the last if there are several."""
        if len(self._sorted[0]) < len(self):
            packed = np.array(self._packed)
            order = np.argsort(packed, kind="stable")
            self._sorted = packed[order], order
        packed, order = self._sorted
        wanted = first << _BITS | second
        place = int(np.searchsorted(packed, wanted, side="right")) - 1
        return int(order[place]) if place >= 0 and packed[place] == wanted else None


class Pairs(Sequence[Pair]):
    """Many pairs that look alike: 16 bytes each."""

    def __init__(self, pairs: Iterable[Pair] = ()) -> None:
        self._ends, self._likeness = PairEnds(), array("d")
        self.extend(pairs)

    def extend(self, pairs: Iterable[Pair]) -> None:
        """Take pairs in, at the end."""
        for pair in pairs:
            self._ends.append(pair.first, pair.second)
            self._likeness.append(pair.likeness)

    def __len__(self) -> int:
        return len(self._likeness)

    @overload
    def __getitem__(self, number: int) -> Pair: ...

    @overload
    def __getitem__(self, number: slice) -> tuple[Pair, ...]: ...

    def __getitem__(self, number: int | slice) -> Pair | tuple[Pair, ...]:
        if isinstance(number, slice):
            return tuple(self[nth] for nth in range(len(self))[number])
        first, second = self._ends[number]
        return Pair(first=first, second=second, likeness=self._likeness[number])

    def __iter__(self) -> Iterator[Pair]:
        return (self[number] for number in range(len(self)))

    @property
    def columns(self) -> tuple[Places, Places, NDArray[np.float64]]:
        """The first and the second picture of each pair, and how alike they are, in step."""
        return *self._ends.columns, np.array(self._likeness)

    def likeness(self, one: int, other: int) -> float | None:
        """How alike two pictures are, as far as that is known."""
        known = [self._ends.last(one, other), self._ends.last(other, one)]
        last = max((number for number in known if number is not None), default=None)
        return None if last is None else self._likeness[last]

    def among(self, places: NDArray[np.integer]) -> Pairs:
        """The same pairs by the numbers of their pictures among these, which are sorted."""
        made = Pairs()
        first, second, _ = self.columns
        made._ends.extend(np.searchsorted(places, first), np.searchsorted(places, second))
        made._likeness = self._likeness
        return made
