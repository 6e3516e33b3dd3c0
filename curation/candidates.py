"""Candidates: which pictures are worth comparing, by the hashes of their views.

Every view of a picture is looked up among the whole pictures in their eight orientations. A
thousand noisy copies of one picture are all near each other, half a million pairs of them; so
what is kept is bounded for every picture: its nearest few among better ones, and the best few.
The latter matter because a group is gathered round its best picture (`curation.stars`).
"""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial

import numpy as np
from numpy.typing import NDArray

from curation.filed import Filed
from curation.hamming import near
from curation.lined import Lined
from curation.pairs import Numbers, Places
from curation.signature import FRAMINGS, ORIENTATIONS

_WAYS = 3
"""Ways in which two pictures may match that are kept, nearest hashes first."""
_NEAREST = 64
"""Better pictures that one is compared with, nearest hashes first …"""
_BEST = 4
"""… and best pictures first."""
_TOO_MANY = 1 << 18
"""Rows after which those that will not be wanted are thrown away: bounds memory, some 5 MB. A
pair that comes back has lost the ways it had before, so this has a say in what is found, and so
has the order in which rows come, which the next numbers decide: where a picture has more than some
seventy better ones that are near it."""
_SPREAD_OUT = 1 << 14
"""Rows that are made at once, of hashes that many have: bounds memory."""
_ASKERS = 1 << 12
"""Pictures that ask at once: bounds memory. Where all have one hash, they make 64 rows each."""
_AT_ONCE = 1 << 14
"""Rows that are sifted at once: bounds memory."""
_DRAWERS = 16
"""Into which hashes are put by low bits, of which all values are as common, to be sorted one by
one: bounds memory."""
_SOUGHT = 1 << 18
"""Hashes that are searched at once, in as many drawers as hold no more: bounds memory, as long
as that does not take more searches …"""
_SEARCHES = 2
"""… than these: two cost 1.3 times as much as one, and sixteen three times."""
_TARGETS = FRAMINGS * ORIENTATIONS
_VIEWS = 64
"""More than there are views: what packs ways."""
_WAY_BITS = 18
"""What a way takes, at the very most; a row is a pair and a way in one number, so that rows sort
as they are. That leaves room for pairs of five million pictures."""

_ANY_WAY = (1 << _WAY_BITS) - 1

Hashes = NDArray[np.uint64]
Queries = Filed[np.uint64]
"""The hashes that pictures in line ask with: those of all views, see `signature.views_of`."""


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
class Chosen:
    """Some of the candidates, in step."""

    better: Places
    """Place in line: the lower."""
    worse: Places
    ways: NDArray[np.int32]
    """Shape (pairs, 3), the nearest first, packed: bits that differ, view, target, who asks;
    negative where there is none."""

    def __len__(self) -> int:
        return len(self.better)

    def has(self, nth: int) -> NDArray[np.bool_]:
        """Which pairs have an nth way."""
        return self.ways[:, nth] >= 0 if nth < _WAYS else np.zeros(len(self), bool)

    def part(self, mask: NDArray[np.bool_]) -> Chosen:
        """Those of the pairs that a mask selects."""
        return Chosen(better=self.better[mask], worse=self.worse[mask], ways=self.ways[mask])

    def match(self, nth: int) -> Match:
        """The nth way of each."""
        way, asks = np.divmod(self.ways[:, nth].astype(np.int64), 2)
        view, target = np.divmod(way % (_VIEWS * _TARGETS), _TARGETS)
        framing, orientation = np.divmod(target, ORIENTATIONS)
        return Match(
            better=self.better.astype(np.int64),
            worse=self.worse.astype(np.int64),
            view=view,
            framing=framing,
            orientation=orientation,
            is_better_asking=asks.astype(bool),
        )


class Candidates:
    """Pairs worth comparing, by number, each with up to three ways to match, nearest first.

    They lie in nameless files.
    """

    def __init__(self, pictures: int) -> None:
        self.ends = Lined(pictures)
        self._ways = Filed(np.int32, _WAYS)

    def __len__(self) -> int:
        return len(self.ends)

    def __getitem__(self, numbers: Numbers) -> Chosen:
        better, worse = self.ends.ends(numbers)
        return Chosen(better=better, worse=worse, ways=self._ways[numbers])

    def add(self, rows: Numbers) -> None:
        """Take in whole pairs, at the end, with the rows of each (`_Wanted`)."""
        is_new = _differs(rows >> _WAY_BITS)
        worse, better = np.divmod(rows[is_new] >> _WAY_BITS, max(1, self.ends.pictures))
        ways = np.full((len(better), _WAYS), -1, np.int32)
        ways[np.cumsum(is_new) - 1, _nth(is_new)] = rows & _ANY_WAY
        self.ends.add(better, worse)
        self._ways.add(ways)


def candidates(
    known: Known, queries: Queries, *, candidate_bits: int, crop_bits: int
) -> Candidates:
    """Find the pairs that are worth comparing, given pictures in line, the best first.

    Args:
        known: the hashes by which pictures are found.
        queries: of every picture, those of all views.
        candidate_bits: radius of the search for whole and inner pictures.
        crop_bits: radius of the search for the other views.
    """
    wanted = _Wanted(len(queries))
    for sought in known.parts():
        for views, max_bits in (
            (slice(0, FRAMINGS), candidate_bits),
            (slice(FRAMINGS, None), crop_bits),
        ):
            parts = partial(_asking, queries, views)
            for asking, asker, found, bits in near(parts, sought.hashes, max_bits=max_bits):
                for pair, one, other in _held_by_both(asking.holders, asker, sought.holders, found):
                    asker_at, view = asking.holders.which(one)
                    found_at, target = sought.holders.which(other)
                    way = (bits[pair] * _VIEWS + view + views.start) * _TARGETS + target
                    wanted.add(asker_at, found_at, way)
    return wanted.all()


def _asking(queries: Queries, views: slice) -> Iterator[_Held]:
    """The hashes that pictures ask with, of some views, some pictures at a time."""
    first = 0
    for part in queries.parts(_ASKERS):
        table = part[:, views]
        asked = [(table.ravel(), np.arange(table.size, dtype=np.int32))]
        yield _Held.of(asked, hashes_each=table.shape[1], most=len(part), first=first)
        first += len(part)


class Known:
    """Hashes by which pictures in line are found, and who has them, in nameless files."""

    def __init__(self) -> None:
        self._drawers = [Filed(np.uint64, 2) for _ in range(_DRAWERS)]

    @classmethod
    def of(cls, parts: Iterable[Hashes]) -> Known:
        """Of parts of shape (n, 2, 8): whole and inner pictures in all orientations."""
        known, before = cls(), 0
        for part in parts:
            is_new = np.ones(part.shape, bool)
            is_new[:, 1] = part[:, 1] != part[:, 0]  # Most pictures have no border.
            hashes, holders = part[is_new], (before + np.flatnonzero(is_new)).astype(np.uint64)
            drawer, rows = hashes % np.uint64(_DRAWERS), np.stack((hashes, holders), axis=1)
            for number in np.unique(drawer).tolist():
                known._drawers[number].add(rows[drawer == number])
            before += part.size
        return known

    def parts(self) -> Iterator[_Held]:
        """All of them, some drawers at a time.

        Of a hash the best few of the pictures that have it are known.
        """
        each = max(1, *map(len, self._drawers))
        together = max(1, _SOUGHT // each, -(-_DRAWERS // _SEARCHES))
        for first in range(0, _DRAWERS, together):
            some = self._drawers[first : first + together]
            rows = (part.T for drawer in some for part in drawer.parts(len(drawer) or 1))
            parts = ((hashes, holders.astype(np.int32)) for hashes, holders in rows)
            yield _Held.of(parts, hashes_each=_TARGETS, most=_NEAREST)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Held:
    """Distinct hashes, and which pictures have each."""

    hashes: Hashes
    holders: _Holders

    @classmethod
    def of(
        cls,
        parts: Iterable[tuple[Hashes, NDArray[np.int32]]],
        *,
        hashes_each: int,
        most: int,
        first: int = 0,
    ) -> _Held:
        """Of hashes and who has each, in parts that have no hash in common.

        Of a hash so many of these, the best first.
        """
        distinct, starts, holders = array("Q"), array("i"), array("i")
        for part in parts:
            hashes, some = _first_of(*part, hashes_each=hashes_each, most=most)
            is_first = _differs(hashes)
            distinct.frombytes(hashes[is_first].tobytes())
            starts.frombytes((len(holders) + np.flatnonzero(is_first)).astype(np.int32).tobytes())
            holders.frombytes(some.tobytes())
        starts.append(len(holders))
        return cls(
            hashes=np.frombuffer(distinct, np.uint64),
            holders=_Holders(
                starts=np.frombuffer(starts, np.int32),
                holders=np.frombuffer(holders, np.int32),
                hashes_each=hashes_each,
                first=first,
            ),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Holders:
    """Which pictures have each of some hashes."""

    starts: NDArray[np.int32]
    """Where the holders of each hash begin, the best picture first."""
    holders: NDArray[np.int32]
    """Of which picture, and which of its hashes, the first of several equal ones: packed."""
    hashes_each: int
    """Hashes of a picture: what packs holders."""
    first: int
    """The place of the first picture."""

    def which(self, numbers: Numbers) -> tuple[Numbers, Numbers]:
        """The pictures of these holders, and which of its hashes each has."""
        picture, slot = np.divmod(self.holders[numbers].astype(np.int64), self.hashes_each)
        return picture + self.first, slot

    def counts(self, numbers: Numbers) -> Numbers:
        """How many pictures have these hashes."""
        return self.start(numbers + 1) - self.start(numbers)

    def start(self, numbers: Numbers) -> Numbers:
        """Where the holders of these hashes begin."""
        return self.starts[numbers].astype(np.int64)


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
    asking: _Holders, asker: Numbers, known: _Holders, found: Numbers
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
    """Rows that are wanted so far; those that have been sifted lie in a file, in order.

    A row is a pair, which is worse picture × number of pictures + better one, and a way.
    """

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures
        self._sifted = Filed(np.int64, 1)
        self._new = array("q")

    def add(self, asker: Numbers, found: Numbers, way: Numbers) -> None:
        """Take in what was found; `way` sorts by the bits that differ."""
        apart = asker != found
        asker, found, way = asker[apart], found[apart], way[apart]
        pair = np.maximum(asker, found) * self._pictures + np.minimum(asker, found)
        rows = (pair << _WAY_BITS) + way * 2 + (asker < found)
        self._new.frombytes(rows.tobytes())
        if len(self._new) > len(self._sifted) // 4 + _TOO_MANY:
            sifted = Filed(np.int64, 1)
            for part in self._parts():
                sifted.add(part)
            self._sifted, self._new = sifted, array("q")

    def all(self) -> Candidates:
        found = Candidates(self._pictures)
        for part in self._parts():
            found.add(part)
        return found

    def _parts(self) -> Iterator[Numbers]:
        """What is wanted of all rows, in order, some pictures at a time."""
        new = np.frombuffer(self._new, np.int64)
        new.sort()
        left = np.empty(0, np.int64)
        for part in self._sifted.parts(_AT_ONCE):
            rows = np.append(left, part)
            past = self._first_row(rows[-1])  # The last picture's may go on in the next part.
            whole, met = np.searchsorted(rows, past), np.searchsorted(new, past)
            yield from self._sift(np.append(rows[:whole], new[:met]))
            left, new = rows[whole:], new[met:]
        yield from self._sift(np.append(left, new))

    def _sift(self, rows: Numbers) -> Iterator[Numbers]:
        """Those of all rows of some pictures that are wanted, in order, some at a time."""
        rows.sort()
        start = 0
        while start < len(rows):
            last = rows[min(start + _AT_ONCE, len(rows)) - 1]
            end = int(np.searchsorted(rows, self._first_row(last, after=1)))
            yield self._best(rows[start:end])
            start = end

    def _first_row(self, row: np.int64, *, after: int = 0) -> np.int64:
        """The lowest row of the worse picture of a row, or of one so many places after it."""
        worse = (row >> _WAY_BITS) // self._pictures + after
        return (worse * self._pictures) << _WAY_BITS

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
