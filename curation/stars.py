"""Stars: how look-alikes are grouped, and which of a group is kept.

Groups are stars, not chains: a picture joins a group only if it was verified against the
best picture of it, so a row of small changes cannot tie two different pictures together. That
one is kept, unless it has a watermark or a caption on it that a good member has not. A captioned
picture and a crop of it may each be found by a third one alone; then the way by that one says
how to lay them on each other, and they are verified so.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field, replace
from functools import cached_property
from itertools import islice, pairwise
from typing import overload

import numpy as np
from numpy.typing import NDArray

from curation.lined import Lined
from curation.memory import give_back
from curation.pairs import Numbers, Pair, Pairs, Places

_AT_ONCE = 1024
"""Pairs that are verified between two outcomes: about half a second's work."""

_MARKED_FOR = 3
"""How many times more pixels a picture with a watermark or caption must have to be kept still."""
_TRIES = 8
"""Pairs that are verified between two stars, in search of one that looks alike."""
_PORTIONS = 16
"""In which pairs between stars are sorted: bounds memory."""

_GREY_FOR = 3
"""How many times more pixels a grey copy must have than one in colour to be kept still."""
_SOFT_PX = 5_000
"""What a soft picture is worth, however large: about 80 × 60 sharp pixels."""

Verify = Callable[[Numbers], Sequence[Pair]]
"""Of the suggested pairs with these numbers, those that look alike."""
Path = tuple[int, ...]
"""Pictures by place, of which each was verified against the next."""
Unmarked = Callable[[Sequence[int]], int | None]
"""Of a star, its middle first: the member to keep instead; None where the middle is kept."""
Bridge = Callable[[Iterable[Path]], Iterable[Sequence[Pair]]]
"""The first and the last picture of those paths that show both to look alike, some at a time. How
they lie on each other is known once all paths have been gone through."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides which picture of a group is kept."""

    digest: str
    pixels: int
    """Upright, without a uniform border."""
    coded_bytes: int
    """What it takes, or would take, as a JPEG; see `curation.coding`."""
    has_palette: bool = False
    """It has 256 colours at most."""
    is_soft: bool = False
    """It shows no more than a thumbnail would, enlarged from one or out of focus."""
    is_grey: bool = False
    """It has no colours, or has lost them."""

    @property
    def rank(self) -> tuple[int, int, bool, int, str]:
        """The smallest is kept.

        Most detail, most pixels, all its colours, least compressed, smallest digest.
        """
        return (-self._detail, -self.pixels, self.has_palette, -self.coded_bytes, self.digest)

    @property
    def _detail(self) -> int:
        """Pixels that show something: of an enlarged thumbnail no more than it had."""
        shown = min(self.pixels, _SOFT_PX) if self.is_soft else self.pixels
        return shown // _GREY_FOR if self.is_grey else shown

    def may_replace(self, marked: Standing) -> bool:
        """Whether it shows enough to be kept in place of a better one that has a mark on it."""
        return _MARKED_FOR * self._detail >= marked._detail

    def behind(self, kept: Standing, *, is_unmarked: bool = False) -> str:
        """Why the kept one was preferred to this, in words that follow its name.

        `is_unmarked` says that it was preferred to better ones with a mark on them.
        """
        if self.rank < kept.rank:
            unmarked = "which has no watermark, caption or frame on it"
            return unmarked if is_unmarked else "which a person chose"
        if self.is_grey and not kept.is_grey and self.pixels >= kept.pixels:
            return "which is in colour"
        if self.pixels >= kept.pixels and self._detail < kept._detail:
            is_larger = self.pixels > kept.pixels
            return "which is sharper, though smaller" if is_larger else "which is sharper"
        if self.pixels != kept.pixels:
            return "which is larger"
        return self._coded_behind(kept)

    def _coded_behind(self, kept: Standing) -> str:
        """The same, of two of one size."""
        if self.has_palette != kept.has_palette:
            return "which has more colours"
        return "less compressed" if self.coded_bytes < kept.coded_bytes else "no better or worse"


class Standings(Sequence[Standing]):
    """Standings of many pictures, in arrays: 27 bytes each, and their digests where those lie."""

    def __init__(self, digests: Sequence[str], standings: Iterable[Standing]) -> None:
        """Take standings in whose digests are these, in step."""
        self._digests = digests
        self._pixels, self._bytes = array("q"), array("q")
        self._has_palette = array("b")
        self._is_soft, self._is_grey = array("b"), array("b")
        for standing in standings:
            self._pixels.append(standing.pixels)
            self._bytes.append(standing.coded_bytes)
            self._has_palette.append(standing.has_palette)
            self._is_soft.append(standing.is_soft)
            self._is_grey.append(standing.is_grey)

    @classmethod
    def of(cls, standings: Sequence[Standing]) -> Standings:
        """These standings."""
        if isinstance(standings, Standings):
            return standings
        return cls([standing.digest for standing in standings], standings)

    def __len__(self) -> int:
        return len(self._pixels)

    @overload
    def __getitem__(self, place: int) -> Standing: ...

    @overload
    def __getitem__(self, place: slice) -> tuple[Standing, ...]: ...

    def __getitem__(self, place: int | slice) -> Standing | tuple[Standing, ...]:
        if isinstance(place, slice):
            return tuple(self[number] for number in range(len(self))[place])
        return Standing(
            digest=self._digests[place],
            pixels=self._pixels[place],
            coded_bytes=self._bytes[place],
            has_palette=bool(self._has_palette[place]),
            is_soft=bool(self._is_soft[place]),
            is_grey=bool(self._is_grey[place]),
        )

    @cached_property
    def line(self) -> Places:
        """The places of all, by rank: the best first."""
        pixels, size = np.array(self._pixels), np.array(self._bytes)
        palette = np.array(self._has_palette, bool)
        soft, grey = np.array(self._is_soft, bool), np.array(self._is_grey, bool)
        detail = np.where(soft, np.minimum(pixels, _SOFT_PX), pixels)
        detail = np.where(grey, detail // _GREY_FOR, detail)
        order = np.lexsort((self.by_digest, -size, palette, -pixels, -detail))
        return order.astype(np.int32)

    @cached_property
    def by_digest(self) -> Places:
        """The place of each in the order of their digests."""
        count = len(self)
        ordered = np.arange(count, dtype=np.int32)
        if all(one < other for one, other in pairwise(self._digests)):
            return ordered
        nth = np.empty(count, np.int32)
        nth[sorted(range(count), key=self._digests.__getitem__)] = ordered
        return nth


@dataclass(frozen=True, slots=True, kw_only=True)
class Compared:
    """Some of the suggested pairs were verified, or need not be any more."""

    pairs: tuple[Pair, ...]
    """Those that look alike."""
    settled: int
    suggested: int
    """All of them: what `settled` adds up to in the end."""
    unmarked: Mapping[int, int] = field(default_factory=dict)
    """Of stars whose middle has a mark on it: the member to keep instead (`curation.marks`)."""


def compared(
    suggested: Lined,
    verify: Verify,
    standings: Sequence[Standing],
    species: Sequence[AbstractSet[str]],
    bridge: Bridge = lambda _: (),
    *,
    unmarked: Unmarked = lambda _: None,
) -> Iterator[Compared]:
    """Verify as few suggested pairs as `stars` and conflicts between species need.

    Best first, a picture that joined a star is compared no more, but with look-alikes of
    other species in other stars. Pictures that wait for nobody are compared together.

    Args:
        suggested: the two pictures of every pair, by their place in the line of `standings`.
        verify: tells which of them look alike.
        standings: of every picture.
        species: under which every picture was gathered.
        bridge: tells which pictures look alike by way of others.
        unmarked: tells which member of a star to keep in place of its marked middle.
    """
    standings = Standings.of(standings)
    comparison = _Comparison(suggested, standings)
    found = Pairs()
    for outcome in comparison.rounds(verify):
        found.extend(outcome.pairs)
        yield outcome
    give_back()
    for outcome in comparison.bridged(found, verify, bridge):
        found.extend(outcome.pairs)
        yield outcome
    give_back()
    for outcome in comparison.between(homes(standings, found), species, verify):
        found.extend(outcome.pairs)
        yield outcome
    yield comparison.cleaned(homes(standings, found), unmarked, bridge)


class _Comparison:
    """Where the comparison stands; pictures go by their place in line, the best first."""

    def __init__(self, suggested: Lined, standings: Standings) -> None:
        self._count, self._standings, self._suggested = len(standings), standings, suggested
        self._line = standings.line
        self._nth = _inverse(self._line)
        self._waits_for = np.zeros(self._count, np.int32)
        for _, _, worse in suggested.parts():
            np.add.at(self._waits_for, worse, 1)
        self._open_pairs = self._waits_for.copy()
        self._is_settled = np.zeros(self._count, bool)
        self._is_asked = np.zeros(len(suggested), bool)

    def rounds(self, verify: Verify) -> Iterator[Compared]:
        """Let those that wait for nobody be middles, and see who joins them, until all are told."""
        while (middles := np.flatnonzero(~self._is_settled & (self._waits_for == 0))).size:
            self._is_settled[middles] = True
            told = [middles]
            yield self._outcome(settled=int(self._open_pairs[middles].sum()))
            for numbers, worse in self._suggested.below(middles, at_once=_AT_ONCE):
                is_open = ~self._is_settled[worse]
                pairs = self._asked(numbers[is_open], verify)
                joined = self._joined(pairs)
                told.append(joined)
                settled = int(is_open.sum()) + int(self._open_pairs[joined].sum())
                yield self._outcome(pairs, settled=settled)
            for _, freed in self._suggested.below(np.concatenate(told)):
                np.subtract.at(self._waits_for, freed, 1)

    def bridged(self, found: Sequence[Pair], verify: Verify, bridge: Bridge) -> Iterator[Compared]:
        """Let stars join of which two pictures look alike, where their middles do by that way.

        Of the members those come along that look like the new middle, too.
        """
        home = homes(self._standings, found)
        links = {
            self._two(home[pair.first], home[pair.second]): pair
            for pair in found
            if home[pair.first] != home[pair.second]
        }
        for numbers in self._tries(home):
            for start in range(0, len(numbers), _AT_ONCE):
                part = numbers[start : start + _AT_ONCE].astype(np.int64)
                some = self._unlinked(part, home, links)
                pairs = self._asked(some, verify)
                links |= {self._two(home[pair.first], home[pair.second]): pair for pair in pairs}
                yield self._outcome(pairs, settled=0)
        paths = [self._path(pair, home) for pair in links.values()]
        del links
        joined: set[int] = set()
        for tied in bridge(paths):
            joined.update(self._two(pair.first, pair.second) for pair in tied)
            yield self._outcome(tied, settled=0)
        paths = [path for path in paths if self._two(path[0], path[-1]) in joined]
        members: dict[int, list[int]] = {path[-1]: [] for path in paths}
        for place, middle in enumerate(home):
            if place != middle and middle in members:
                members[middle].append(place)
        further = ((*path, place) for path in paths for place in members[path[-1]])
        for tied in bridge(further):
            yield self._outcome(tied, settled=0)

    def _tries(self, home: array[int]) -> Iterator[Places]:
        """What was not compared between stars: the first pairs of every two, the second, …"""
        middle = np.array(home, np.int32)[self._line]
        nth = np.zeros(len(self._suggested), np.uint8)
        for portion in range(_PORTIONS):
            numbers, two = self._apart(middle, portion)
            order = np.argsort(two, kind="stable")
            starts = np.flatnonzero(np.diff(two[order], prepend=-1))
            tries = np.arange(1, len(order) + 1)
            tries -= np.repeat(starts, np.diff(starts, append=len(order)))
            nth[numbers[order]] = np.minimum(tries, _TRIES + 1)
        return (np.flatnonzero(nth == number).astype(np.int32) for number in range(1, _TRIES + 1))

    def _apart(self, middle: Places, portion: int) -> tuple[Places, Numbers]:
        """What was not compared between stars, and which two stars, of a portion of such twos."""
        numbers, twos = array("i"), array("q")
        for part, better, worse in self._left():
            one, other = middle[better], middle[worse]
            some = (one != other) & ((one + other) % _PORTIONS == portion)
            numbers.frombytes(part[some].astype(np.int32).tobytes())
            one, other = one[some].astype(np.int64), other[some].astype(np.int64)
            two = np.minimum(one, other) * self._count + np.maximum(one, other)
            twos.frombytes(two.tobytes())
        return np.frombuffer(numbers, np.int32), np.frombuffer(twos, np.int64)

    def _unlinked(self, numbers: Numbers, home: array[int], links: Mapping[int, Pair]) -> Numbers:
        """Those of these pairs that lie between stars that are not linked yet."""
        left = [
            number
            for number, one, other in self._told(numbers, *self._suggested.ends(numbers))
            if self._two(home[one], home[other]) not in links
        ]
        return np.asarray(left, np.int64)

    def _path(self, link: Pair, home: array[int]) -> Path:
        """From the better middle, by the two linked members, to the other middle."""
        ends = sorted((link.first, link.second), key=lambda place: self._nth[home[place]])
        path = [home[ends[0]], *ends, home[ends[1]]]
        return tuple(place for nth, place in enumerate(path) if not nth or place != path[nth - 1])

    def between(
        self, home: array[int], species: Sequence[AbstractSet[str]], verify: Verify
    ) -> Iterator[Compared]:
        """Compare different species in different stars, until one pair ties two stars."""
        left = (
            (number, self._two(home[first], home[second]))
            for part in self._left()
            for number, first, second in self._told(*part)
            if home[first] != home[second] and species[first] != species[second]
        )
        tied: set[int] = set()
        while part := list(islice(left, _AT_ONCE)):
            some = [number for number, two in part if two not in tied]
            pairs = self._asked(np.asarray(some, np.int64), verify)
            tied.update(self._two(home[pair.first], home[pair.second]) for pair in pairs)
            yield self._outcome(pairs, settled=0)

    def cleaned(self, home: array[int], unmarked: Unmarked, bridge: Bridge) -> Compared:
        """Say what is kept in place of marked middles, and how like that their others are."""
        instead: dict[int, int] = {}
        paths: list[Path] = []
        for middle, *others in around(self._line, home):
            kept = unmarked([middle, *others]) if others else None
            if kept is not None:
                instead[middle] = kept
                paths += ((kept, middle, other) for other in others if other != kept)
        pairs = [pair for some in bridge(paths) for pair in some]
        return replace(self._outcome(pairs, settled=0), unmarked=instead)

    def _two(self, one: int, other: int) -> int:
        """Two stars, by their middles, in whatever order."""
        return min(one, other) * self._count + max(one, other)

    def _left(self) -> Iterator[tuple[Numbers, Places, Places]]:
        """The pairs that were not compared, and their ends in line, some at a time."""
        for numbers, better, worse in self._suggested.parts():
            is_left = ~self._is_asked[numbers]
            yield numbers[is_left], better[is_left], worse[is_left]

    def _told(
        self, numbers: Numbers, better: Places, worse: Places
    ) -> Iterator[tuple[int, int, int]]:
        """Numbers of pairs, and both ends by place."""
        ends = (self._line[end].tolist() for end in (better, worse))
        return zip(numbers.tolist(), *ends, strict=True)

    def _asked(self, numbers: Numbers, verify: Verify) -> Sequence[Pair]:
        self._is_asked[numbers] = True
        np.subtract.at(self._open_pairs, self._suggested.ends(numbers)[1], 1)
        return verify(numbers)

    def _joined(self, pairs: Iterable[Pair]) -> Numbers:
        """Settle those that were found to look like a middle; return them."""
        worse = {max(self._nth[pair.first], self._nth[pair.second]) for pair in pairs}
        joined = np.asarray(sorted(worse), np.int64)
        self._is_settled[joined] = True
        return joined

    def _outcome(self, pairs: Sequence[Pair] = (), *, settled: int) -> Compared:
        return Compared(pairs=tuple(pairs), settled=settled, suggested=len(self._suggested))


def stars(standings: Sequence[Standing], pairs: Iterable[Pair]) -> list[list[int]]:
    """Group pictures around the best of them; each list begins with the one to keep.

    Best first, a picture joins the star whose middle it is most like, among those it was
    verified against, or else begins a star of its own. Of a pair that comes twice, the last holds.
    """
    standings = Standings.of(standings)
    return list(around(standings.line, homes(standings, pairs)))


def around(line: Places, home: array[int]) -> Iterator[list[int]]:
    """The pictures of every star, given their middles; the best first, as are the stars."""
    nth_home = _inverse(line)[np.array(home, np.int32)[line]]
    members = line[np.argsort(nth_home, kind="stable")]
    ends = np.cumsum(np.bincount(nth_home, minlength=len(line)))
    start = 0
    for end in ends:
        if end > start:
            yield members[start:end].tolist()
        start = end


def homes(standings: Standings, pairs: Iterable[Pair]) -> array[int]:
    """The middle of the star of every picture; its own place, where it begins one: see `stars`."""
    line = standings.line
    first, second, likeness = (pairs if isinstance(pairs, Pairs) else Pairs(pairs)).columns
    better, worse, likeness = _last(*_in_line(_inverse(line), first, second), likeness)
    nearest = np.lexsort((standings.by_digest[line[better]], -likeness, worse))
    home = array("i", range(len(line)))
    for one, other in zip(line[worse[nearest]].data, line[better[nearest]].data, strict=True):
        if home[one] == one and home[other] == other:
            home[one] = other
    return home


def _in_line(nth: Places, *ends: NDArray[np.integer]) -> tuple[Places, Places]:
    """The better and the worse picture of pairs, by place in line."""
    first, second = (nth[end] for end in ends)
    return np.minimum(first, second), np.maximum(first, second)


def _last(
    better: Places, worse: Places, likeness: NDArray[np.float64]
) -> tuple[Places, Places, NDArray[np.float64]]:
    """The pairs, each as it came last."""
    order = np.lexsort((better, worse))
    better, worse, likeness = better[order], worse[order], likeness[order]
    is_last = np.ones(len(order), bool)
    is_last[:-1] = (better[1:] != better[:-1]) | (worse[1:] != worse[:-1])
    return better[is_last], worse[is_last], likeness[is_last]


def _inverse(line: Places) -> Places:
    """Of every picture its place in line."""
    nth = np.empty(len(line), np.int32)
    nth[line] = np.arange(len(line), dtype=np.int32)
    return nth
