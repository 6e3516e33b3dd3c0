"""Candidates: which pictures are worth comparing, by the hashes of their views.

Every view of a picture is looked up among the whole pictures in their eight orientations. A
thousand noisy copies of one picture are all near each other, half a million pairs of them; so
what is kept is bounded for every picture: its nearest few among better ones, and the best few.
The latter matter because a group is gathered round its best picture (`curation.stars`).
"""

from __future__ import annotations

import os
import tempfile
from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Self

import numpy as np
from numpy.typing import NDArray

from curation.hamming import near
from curation.signature import FRAMINGS, ORIENTATIONS

_WAYS = 3
"""Ways in which two pictures may match that are kept, nearest hashes first."""
_NEAREST = 64
"""Better pictures that one is compared with, nearest hashes first …"""
_BEST = 4
"""… and best pictures first."""
_TOO_MANY = 1 << 18
"""Rows after which those that will not be wanted are thrown away: bounds memory, some 5 MB. A
pair that comes back has lost the ways it had before, so this has a say in what is found."""
_SPREAD_OUT = 1 << 16
"""Rows that are made at once, of hashes that many have: bounds memory, some 6 MB."""
_ASKERS = 1 << 13
"""Pictures that ask at once: bounds memory, some 10 MB."""
_AT_ONCE = 1 << 16
"""Rows that are sifted at once: bounds memory, some 5 MB."""
_DRAWERS = 4
"""Low bits of a hash, of which all values are as common, that say which others it is sorted with:
bounds memory, a sixteenth at a time."""
_TARGETS = FRAMINGS * ORIENTATIONS
_VIEWS = 64
"""More than there are views: what packs ways."""
_WAY_BITS = 18
"""What a way takes, at the very most; a row is a pair and a way in one number, so that rows sort
as they are. That leaves room for pairs of five million pictures."""

_ANY_WAY = (1 << _WAY_BITS) - 1

Hashes = NDArray[np.uint64]
Numbers = NDArray[np.int64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Match:
    """Ways in which pairs of pictures may match, in step."""

    better: Numbers
    """Place in line: the lower."""
    worse: Numbers
    view: Numbers
    """Of the asker, see `signature.views_of`."""
    framing: Numbers
    """Of the one that was found: 0 the whole, 1 the inner picture."""
    orientation: Numbers
    """How that is turned to look like the asker's view, see `signature.ORIENTATIONS`."""
    is_better_asking: NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Pairs worth comparing, by number, each with up to three ways to match, nearest first."""

    pictures: int
    rows: Numbers
    """Shape (rows,), rising, packed: the pair, which is worse picture × number of pictures +
    better one, and the way, which is bits that differ, view, target, who asks."""
    starts: NDArray[np.int32]
    """The first row of each pair, and the number of rows."""

    def __len__(self) -> int:
        return len(self.starts) - 1

    @property
    def ends(self) -> tuple[Numbers, Numbers]:
        """The better and the worse picture of every pair, by place in line."""
        pairs = self.rows[self.starts[:-1]] >> _WAY_BITS
        worse, better = np.divmod(pairs, max(1, self.pictures))
        return better, worse

    def has(self, numbers: Numbers, nth: int) -> NDArray[np.bool_]:
        """Which pairs have an nth way."""
        return np.asarray(self.starts[numbers] + nth < self.starts[numbers + 1])

    def match(self, numbers: Numbers, nth: int) -> Match:
        """The nth way of these pairs."""
        rows = self.rows[self.starts[numbers] + nth]
        worse, better = np.divmod(rows >> _WAY_BITS, max(1, self.pictures))
        way, asks = np.divmod(rows & _ANY_WAY, 2)
        view, target = np.divmod(way % (_VIEWS * _TARGETS), _TARGETS)
        framing, orientation = np.divmod(target, ORIENTATIONS)
        return Match(
            better=better,
            worse=worse,
            view=view,
            framing=framing,
            orientation=orientation,
            is_better_asking=asks.astype(bool),
        )


class Queries:
    """The hashes that pictures ask with, in a nameless file: nothing of them stays in memory."""

    def __init__(self, views: int) -> None:
        self.views = views
        self._file = tempfile.TemporaryFile()  # noqa: SIM115 - closed by __exit__.
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *exception: object) -> None:
        self._file.close()

    def __len__(self) -> int:
        return self._count

    def add(self, part: Hashes) -> None:
        """Take in those of the next pictures in line; shape (n, views)."""
        self._file.seek(0, os.SEEK_END)
        self._file.write(part.tobytes())
        self._count += len(part)

    def parts(self, views: slice) -> Iterator[Holders]:
        """Those of some views, some pictures at a time."""
        for start in range(0, len(self), _ASKERS):
            count = min(_ASKERS, len(self) - start)
            self._file.seek(start * self._row_bytes)
            body = self._file.read(count * self._row_bytes)
            some = np.frombuffer(body, np.uint64).reshape(count, self.views)
            yield Holders.asking(some[:, views], first=start)

    @property
    def _row_bytes(self) -> int:
        return 8 * self.views


def candidates(
    known: Holders, queries: Queries, *, candidate_bits: int, crop_bits: int
) -> Candidates:
    """Find the pairs that are worth comparing, given pictures in line, the best first.

    Args:
        known: of every picture, the hashes by which it is found.
        queries: of every picture, those of all views.
        candidate_bits: radius of the search for whole and inner pictures.
        crop_bits: radius of the search for the other views.
    """
    count = len(queries)
    wanted = _Wanted(count)
    for views, max_bits in (
        (slice(0, FRAMINGS), candidate_bits),
        (slice(FRAMINGS, queries.views), crop_bits),
    ):
        parts = partial(queries.parts, views)
        for asking, asker, found in near(parts, known.hashes, max_bits=max_bits):
            bits = np.bitwise_count(asking.hashes[asker] ^ known.hashes[found]).astype(np.int64)
            for pair, one, other in _held_by_both(asking, asker, known, found):
                asker_at, view = asking.held(one)
                found_at, target = known.held(other)
                way = (bits[pair] * _VIEWS + view + views.start) * _TARGETS + target
                wanted.add(asker_at, found_at, way)
    return wanted.all()


@dataclass(frozen=True, slots=True, kw_only=True)
class Holders:
    """Distinct hashes, and which pictures have them."""

    hashes: Hashes
    starts: NDArray[np.int32]
    """Where the holders of each hash begin, the best picture first."""
    holders: NDArray[np.int32]
    """Of which picture, and which of its hashes, the first of several equal ones: packed."""
    hashes_each: int
    """Hashes of a picture: what packs holders."""
    first: int
    """The place of the first picture."""

    @classmethod
    def found_by(cls, parts: Iterable[Hashes]) -> Holders:
        """Of pictures in line, in parts of shape (n, 2, 8): whole and inner in all orientations.

        Of a hash the best few of the pictures that have it are known.
        """
        drawers = [(array("Q"), array("i")) for _ in range(1 << _DRAWERS)]
        before = 0
        for part in parts:
            is_new = np.ones(part.shape, bool)
            is_new[:, 1] = part[:, 1] != part[:, 0]  # Most pictures have no border.
            hashes, holders = part[is_new], (before + np.flatnonzero(is_new)).astype(np.int32)
            drawer = hashes & np.uint64((1 << _DRAWERS) - 1)
            for number in np.unique(drawer).tolist():
                drawers[number][0].frombytes(hashes[drawer == number].tobytes())
                drawers[number][1].frombytes(holders[drawer == number].tobytes())
            before += part.size
        return cls._of(_emptied(drawers), hashes_each=_TARGETS, most=_NEAREST)

    @classmethod
    def asking(cls, table: Hashes, *, first: int) -> Holders:
        """Of the pictures from the first one on; shape (pictures, hashes of each)."""
        holders = np.arange(table.size, dtype=np.int32)
        known = [(table.ravel(), holders)]
        return cls._of(known, hashes_each=table.shape[1], most=len(table), first=first)

    @classmethod
    def _of(
        cls,
        parts: Iterable[tuple[Hashes, NDArray[np.int32]]],
        *,
        hashes_each: int,
        most: int,
        first: int = 0,
    ) -> Holders:
        """Of hashes and who has each, in parts that have no hash in common."""
        distinct, starts, holders = array("Q"), array("i"), array("i")
        for part in parts:
            hashes, held = _first_of(*part, hashes_each=hashes_each, most=most)
            is_first = _differs(hashes)
            distinct.frombytes(hashes[is_first].tobytes())
            starts.frombytes((len(holders) + np.flatnonzero(is_first)).astype(np.int32).tobytes())
            holders.frombytes(held.tobytes())
        starts.append(len(holders))
        return cls(
            hashes=np.frombuffer(distinct, np.uint64),
            starts=np.frombuffer(starts, np.int32),
            holders=np.frombuffer(holders, np.int32),
            hashes_each=hashes_each,
            first=first,
        )

    def held(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """The pictures of these holders, and which of its hashes each has."""
        picture, slot = np.divmod(self.holders[numbers].astype(np.int64), self.hashes_each)
        return picture + self.first, slot

    def counts(self, numbers: Numbers) -> Numbers:
        """How many pictures have these hashes."""
        return self.start(numbers + 1) - self.start(numbers)

    def start(self, numbers: Numbers) -> Numbers:
        """Where the holders of these hashes begin."""
        return self.starts[numbers].astype(np.int64)


def _emptied(
    drawers: list[tuple[array[int], array[int]]],
) -> Iterator[tuple[Hashes, NDArray[np.int32]]]:
    """Hand out each drawer in turn, and let go of it."""
    drawers.reverse()
    while drawers:
        hashes, holders = drawers.pop()
        yield np.frombuffer(hashes, np.uint64), np.frombuffer(holders, np.int32)


def _first_of(
    hashes: Hashes, holders: NDArray[np.int32], *, hashes_each: int, most: int
) -> tuple[Hashes, NDArray[np.int32]]:
    """Hashes sorted, each with the first few of those who have it; pictures once each."""
    order = np.argsort(hashes, kind="stable")  # Of equal ones the best first.
    hashes, holders = hashes[order], holders[order]
    lone = _differs(hashes) | _differs(holders // hashes_each)
    hashes, holders = hashes[lone], holders[lone]
    few = np.ones(len(hashes), bool)
    few[most:] = hashes[most:] != hashes[: max(0, len(hashes) - most)]
    return hashes[few], holders[few]


def _held_by_both(
    asking: Holders, asker: Numbers, known: Holders, found: Numbers
) -> Iterator[tuple[Numbers, Numbers, Numbers]]:
    """Every holder of one hash with every holder of the other, some pairs of hashes at a time."""
    there = known.counts(found)
    counts = asking.counts(asker) * there
    portions = np.cumsum(counts) // _SPREAD_OUT
    for start in np.flatnonzero(_differs(portions)):
        some = slice(start, int(np.searchsorted(portions, portions[start], side="right")))
        pair, nth = _flat(counts[some])
        pair += start
        one, other = np.divmod(nth, there[pair])
        yield pair, asking.start(asker[pair]) + one, known.start(found[pair]) + other


class _Wanted:
    """Rows that are wanted so far."""

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures
        self._rows = array("q")
        self._sifted = 0

    def add(self, asker: Numbers, found: Numbers, way: Numbers) -> None:
        """Take in what was found; `way` sorts by the bits that differ."""
        apart = asker != found
        asker, found, way = asker[apart], found[apart], way[apart]
        pair = np.maximum(asker, found) * self._pictures + np.minimum(asker, found)
        rows = (pair << _WAY_BITS) + way * 2 + (asker < found)
        self._rows.frombytes(rows.tobytes())
        if len(self._rows) > self._sifted * 5 // 4 + _TOO_MANY:
            self._sift()

    def all(self) -> Candidates:
        self._sift()
        rows = np.frombuffer(self._rows, np.int64)
        starts = np.flatnonzero(_differs(rows >> _WAY_BITS)).astype(np.int32)
        starts = np.append(starts, np.int32(len(rows)))
        return Candidates(pictures=self._pictures, rows=rows, starts=starts)

    def _sift(self) -> None:
        """Throw away what will not be wanted: in place, some pictures at a time."""
        rows = np.frombuffer(self._rows, np.int64)
        rows.sort()
        kept = start = 0
        while start < len(rows):
            last = rows[min(start + _AT_ONCE, len(rows)) - 1] >> _WAY_BITS
            past = (last // self._pictures + 1) * self._pictures << _WAY_BITS
            end = int(np.searchsorted(rows, past))
            good = self._best(rows[start:end])
            rows[kept : kept + len(good)] = good
            kept, start = kept + len(good), end
        del rows  # While it is there, the array cannot shrink.
        del self._rows[kept:]
        self._sifted = kept

    def _best(self, rows: Numbers) -> Numbers:
        """The nearest ways of each pair, and the nearest and the best pairs of a picture."""
        rows = rows[_nth(_differs(rows >> _WAY_BITS)) < _WAYS]
        starts = np.flatnonzero(_differs(rows >> _WAY_BITS))
        first = rows[starts]
        good = self._good(first >> _WAY_BITS, (first & _ANY_WAY) // (2 * _VIEWS * _TARGETS))
        return rows[np.repeat(good, np.diff(starts, append=len(rows)))]

    def _good(self, pair: Numbers, bits: Numbers) -> NDArray[np.bool_]:
        """Which pairs to keep; they come sorted, so those of a picture with better ones first."""
        worse, better = np.divmod(pair, max(1, self._pictures))
        good = _nth(_differs(worse)) < _BEST
        order = np.lexsort((better, bits, worse))
        good[order] |= _nth(_differs(worse[order])) < _NEAREST
        return np.asarray(good)


def _differs(values: NDArray[np.integer]) -> NDArray[np.bool_]:
    """Where a sorted row of values takes a new one."""
    is_new = np.ones(len(values), bool)
    is_new[1:] = values[1:] != values[:-1]
    return is_new


def _nth(is_new: NDArray[np.bool_]) -> Numbers:
    """The place of each element in its run."""
    starts = np.flatnonzero(is_new)
    return np.arange(len(is_new)) - np.repeat(starts, np.diff(np.append(starts, len(is_new))))


def _flat(counts: Numbers) -> tuple[Numbers, Numbers]:
    owner = np.repeat(np.arange(len(counts)), counts)
    return owner, np.arange(len(owner)) - np.repeat(np.cumsum(counts) - counts, counts)
