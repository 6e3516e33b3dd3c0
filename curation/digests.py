"""Digests: those of many files at once, and what is known of each, in little memory.

A digest as text takes 113 bytes, and as a key of a dictionary twice that. Sorted and packed it
takes 32, and its place among them is found by bisection; so what is known of every image is
noted by place, in an array.
"""

from __future__ import annotations

import bisect
from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from typing import Self, TypeVar, overload

import numpy as np
from numpy.typing import NDArray

T = TypeVar("T")

_BYTES = 32
"""Of a SHA-256."""


class Digests(Sequence[str]):
    """SHA-256 digests in hexadecimal, sorted, each once."""

    def __init__(self, packed: bytes) -> None:
        self._packed = packed

    @classmethod
    def of(cls, digests: Iterable[str]) -> Self:
        """These digests, in whatever order and however often they come."""
        packed = bytearray()
        for digest in digests:
            packed += bytes.fromhex(digest)
        return cls(np.unique(np.frombuffer(packed, f"S{_BYTES}")).tobytes())

    @classmethod
    def packed(cls, packed: bytes | bytearray) -> tuple[Self, NDArray[np.int64]]:
        """Digests of 32 bytes one after the other, and where each of those is among them."""
        found, places = np.unique(np.frombuffer(packed, f"S{_BYTES}"), return_inverse=True)
        return cls(found.tobytes()), places

    def __len__(self) -> int:
        return len(self._packed) // _BYTES

    @overload
    def __getitem__(self, place: int) -> str: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[str, ...]: ...

    def __getitem__(self, place: int | slice) -> str | tuple[str, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(len(self))[place])
        return self._at(range(len(self))[place]).hex()

    def __iter__(self) -> Iterator[str]:
        return (self._at(place).hex() for place in range(len(self)))

    def __contains__(self, digest: object) -> bool:
        return isinstance(digest, str) and self._found(digest) is not None

    def place(self, digest: str) -> int:
        """Where a digest is among them.

        Raises:
            KeyError: nowhere.
        """
        place = self._found(digest)
        if place is None:
            raise KeyError(digest)
        return place

    def _found(self, digest: str) -> int | None:
        wanted = bytes.fromhex(digest)
        place = bisect.bisect_left(range(len(self)), wanted, key=self._at)
        return place if place < len(self) and self._at(place) == wanted else None

    def _at(self, place: int) -> bytes:
        return self._packed[_BYTES * place : _BYTES * (place + 1)]


class ByDigest(Mapping[str, T]):
    """What is known of some of many digests, where few values differ: 4 bytes for each digest."""

    def __init__(self, digests: Digests) -> None:
        self.digests = digests
        self._values: list[T] = []
        self._numbers: dict[T, int] = {}
        self._known = array("I", bytes(4 * len(digests)))
        """One more than the number of each one's value; 0 where nothing is known."""

    @classmethod
    def of(cls, digests: Digests, values: Sequence[T], numbers: NDArray[np.integer]) -> Self:
        """Of every digest the value with the number that it has, in step."""
        made = cls(digests)
        made._values = list(values)
        made._numbers = {value: number for number, value in enumerate(values)}
        made._known = array("I", (numbers + 1).astype(np.uint32).tobytes())
        return made

    def __setitem__(self, digest: str, value: T) -> None:
        place = self.digests.place(digest)
        number = self._numbers.setdefault(value, len(self._values))
        if number == len(self._values):
            self._values.append(value)
        self._known[place] = number + 1

    def __getitem__(self, digest: str) -> T:
        place = self.digests.place(digest)
        if not self._known[place]:
            raise KeyError(digest)
        return self.at(place)

    def at(self, place: int) -> T:
        """What is known of the digest at this place, of which something is."""
        return self._values[self._known[place] - 1]

    def places(self, is_wanted: Callable[[T], bool]) -> Iterator[int]:
        """The places of the digests whose values are wanted, in order."""
        wanted = [False, *map(is_wanted, self._values)]
        return (place for place, number in enumerate(self._known) if wanted[number])

    def __iter__(self) -> Iterator[str]:
        return (self.digests[place] for place, number in enumerate(self._known) if number)

    def __len__(self) -> int:
        return len(self._known) - self._known.count(0)
