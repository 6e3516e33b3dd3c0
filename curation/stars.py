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

import numpy as np
from numpy.typing import NDArray

_AT_ONCE = 1024
"""Pairs that are verified between two outcomes: about half a second's work."""

_MARKED_FOR = 3
"""How many times more pixels a picture with a watermark or caption must have to be kept still."""
_TRIES = 8
"""Pairs that are verified between two stars, in search of one that looks alike."""

_SOFT_PX = 5_000
"""What a soft picture is worth, however large: about 80 × 60 sharp pixels."""

Numbers = NDArray[np.int64]
Ends = tuple[NDArray[np.integer], NDArray[np.integer]]
"""The two pictures of pairs, by place, in step."""
Verify = Callable[[Numbers], Sequence["Pair"]]
"""Of the suggested pairs with these numbers, those that look alike."""
Path = tuple[int, ...]
"""Pictures by place, of which each was verified against the next."""
Unmarked = Callable[[Sequence[int]], int | None]
"""Of a star, its middle first: the member to keep instead; None where the middle is kept."""
Bridge = Callable[[Sequence[Path]], Sequence["Pair"]]
"""The first and the last picture of those paths that show both to look alike."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    """Two pictures that were verified to look alike, by their place in the album."""

    first: int
    second: int
    likeness: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Standing:
    """What decides which picture of a group is kept."""

    digest: str
    pixels: int
    """Upright, without a uniform border."""
    bytes: int
    is_soft: bool = False
    """It shows no more than a thumbnail would, enlarged from one or out of focus."""

    @property
    def rank(self) -> tuple[int, int, int, str]:
        """The smallest is kept: most detail, most pixels, least compressed, smallest digest."""
        return (-self._detail, -self.pixels, -self.bytes, self.digest)

    @property
    def _detail(self) -> int:
        """Pixels that show something: of an enlarged thumbnail no more than it had."""
        return min(self.pixels, _SOFT_PX) if self.is_soft else self.pixels

    def may_replace(self, marked: Standing) -> bool:
        """Whether it shows enough to be kept in place of a better one that has a mark on it."""
        return _MARKED_FOR * self._detail >= marked._detail

    def behind(self, kept: Standing, *, is_unmarked: bool = False) -> str:
        """Why the kept one was preferred to this, in words that follow its name.

        `is_unmarked` says that it was preferred to better ones with a mark on them.
        """
        if is_unmarked and self.rank < kept.rank:
            return "which has no watermark, caption or frame on it"
        if self.pixels > kept.pixels and self._detail < kept._detail:
            return "which is sharper, though smaller"
        if self.pixels != kept.pixels:
            return "which is larger" if kept.pixels > self.pixels else "which a person chose"
        if self.bytes != kept.bytes:
            return "less compressed" if kept.bytes > self.bytes else "which a person chose"
        return "no better or worse"


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
    ends: Ends,
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
        ends: the two pictures of every suggested pair, by their place in `standings`.
        verify: tells which of them look alike.
        standings: of every picture.
        species: under which every picture was gathered.
        bridge: tells which pictures look alike by way of others.
        unmarked: tells which member of a star to keep in place of its marked middle.
    """
    comparison = _Comparison(ends, standings)
    del ends  # Of many pictures with few features there are a hundred for each.
    found: list[Pair] = []
    for outcome in comparison.rounds(verify):
        found += outcome.pairs
        yield outcome
    for outcome in comparison.bridged(found, verify, bridge):
        found += outcome.pairs
        yield outcome
    for outcome in comparison.between(_homes(standings, found), species, verify):
        found += outcome.pairs
        yield outcome
    yield comparison.cleaned(_groups(standings, found), unmarked, bridge)


class _Comparison:
    """Where the comparison stands; pictures go by their place in line, the best first."""

    def __init__(self, ends: Ends, standings: Sequence[Standing]) -> None:
        self._count, self._standings = len(standings), standings
        line = sorted(range(self._count), key=lambda place: standings[place].rank)
        self._line = np.asarray(line, np.int32)
        self._nth = np.empty(self._count, np.int32)
        self._nth[line] = np.arange(self._count)
        first, second = (self._nth[end] for end in ends)
        self._better, self._worse = np.minimum(first, second), np.maximum(first, second)
        self._order = np.lexsort((self._worse, self._better)).astype(np.int32)
        self._starts = np.searchsorted(self._better[self._order], np.arange(self._count + 1))
        self._waits_for = np.bincount(self._worse, minlength=self._count)
        self._open_pairs = self._waits_for.copy()
        self._is_settled = np.zeros(self._count, bool)
        self._is_asked = np.zeros(len(self._better), bool)

    def rounds(self, verify: Verify) -> Iterator[Compared]:
        """Let those that wait for nobody be middles, and see who joins them, until all are told."""
        while (middles := np.flatnonzero(~self._is_settled & (self._waits_for == 0))).size:
            self._is_settled[middles] = True
            told = [middles]
            yield self._outcome(settled=int(self._open_pairs[middles].sum()))
            numbers = self._pairs_of(middles)
            for start in range(0, len(numbers), _AT_ONCE):
                some = numbers[start : start + _AT_ONCE]
                some = some[~self._is_settled[self._worse[some]]]
                pairs = self._asked(some, verify)
                joined = self._joined(pairs)
                told.append(joined)
                settled = len(some) + int(self._open_pairs[joined].sum())
                yield self._outcome(pairs, settled=settled)
            freed = self._worse[self._pairs_of(np.concatenate(told))]
            self._waits_for -= np.bincount(freed, minlength=self._count)

    def bridged(self, found: Sequence[Pair], verify: Verify, bridge: Bridge) -> Iterator[Compared]:
        """Let stars join of which two pictures look alike, where their middles do by that way.

        Of the members those come along that look like the new middle, too.
        """
        home = _homes(self._standings, found)
        links = {
            two: pair
            for pair in found
            if len(two := frozenset((home[pair.first], home[pair.second]))) > 1
        }
        for numbers in self._tries(home):
            for start in range(0, len(numbers), _AT_ONCE):
                some = self._unlinked(numbers[start : start + _AT_ONCE], home, links)
                pairs = self._asked(some, verify)
                links |= {frozenset((home[pair.first], home[pair.second])): pair for pair in pairs}
                yield self._outcome(pairs, settled=0)
        paths = [self._path(pair, home) for pair in links.values()]
        tied = bridge(paths)
        joined = {frozenset((pair.first, pair.second)) for pair in tied}
        yield self._outcome(tied, settled=0)
        members: dict[int, list[int]] = {}
        for place, middle in enumerate(home):
            if place != middle:
                members.setdefault(middle, []).append(place)
        further = [
            (*path, place)
            for path in paths
            if frozenset((path[0], path[-1])) in joined
            for place in members.get(path[-1], ())
        ]
        yield self._outcome(bridge(further), settled=0)

    def _tries(self, home: Sequence[int]) -> list[Numbers]:
        """What was not compared between stars: the first pairs of every two, the second, …"""
        tries = [array("q") for _ in range(_TRIES)]
        tried: dict[int, int] = {}
        for number, one, other in self._left():
            low, high = sorted((home[one], home[other]))
            two = low * self._count + high
            nth = tried.get(two, 0)
            if low != high and nth < _TRIES:
                tried[two] = nth + 1
                tries[nth].append(number)
        return [np.asarray(numbers, np.int64) for numbers in tries]

    def _unlinked(
        self, numbers: Numbers, home: Sequence[int], links: Mapping[frozenset[int], Pair]
    ) -> Numbers:
        """Those of these pairs that lie between stars that are not linked yet."""
        left = [
            number
            for number, one, other in self._told(numbers)
            if frozenset((home[one], home[other])) not in links
        ]
        return np.asarray(left, np.int64)

    def _path(self, link: Pair, home: Sequence[int]) -> Path:
        """From the better middle, by the two linked members, to the other middle."""
        ends = sorted(
            (link.first, link.second), key=lambda place: self._standings[home[place]].rank
        )
        path = [home[ends[0]], *ends, home[ends[1]]]
        return tuple(place for nth, place in enumerate(path) if not nth or place != path[nth - 1])

    def between(
        self, home: Sequence[int], species: Sequence[AbstractSet[str]], verify: Verify
    ) -> Iterator[Compared]:
        """Compare different species in different stars, until one pair ties two stars."""
        left = [
            (number, frozenset((home[first], home[second])))
            for number, first, second in self._left()
            if home[first] != home[second] and species[first] != species[second]
        ]
        tied: set[frozenset[int]] = set()
        for start in range(0, len(left), _AT_ONCE):
            some = [number for number, two in left[start : start + _AT_ONCE] if two not in tied]
            pairs = self._asked(np.asarray(some, np.int64), verify)
            tied.update(frozenset((home[pair.first], home[pair.second])) for pair in pairs)
            yield self._outcome(pairs, settled=0)

    def cleaned(
        self, groups: Iterable[Sequence[int]], unmarked: Unmarked, bridge: Bridge
    ) -> Compared:
        """Say what is kept in place of marked middles, and how like that their others are."""
        instead: dict[int, int] = {}
        paths: list[Path] = []
        for middle, *others in groups:
            kept = unmarked([middle, *others]) if others else None
            if kept is not None:
                instead[middle] = kept
                paths += ((kept, middle, other) for other in others if other != kept)
        return replace(self._outcome(bridge(paths), settled=0), unmarked=instead)

    def _left(self) -> Iterator[tuple[int, int, int]]:
        """The pairs that were not compared: number and both ends."""
        return self._told(np.flatnonzero(~self._is_asked))

    def _told(self, numbers: Numbers) -> Iterator[tuple[int, int, int]]:
        for start in range(0, len(numbers), _AT_ONCE):
            some = numbers[start : start + _AT_ONCE]
            ends = (self._line[end[some]].tolist() for end in (self._better, self._worse))
            yield from zip(some.tolist(), *ends, strict=True)

    def _pairs_of(self, pictures: Numbers) -> Numbers:
        """Numbers of the pairs in which these are the better ones."""
        ranges = (self._order[self._starts[nth] : self._starts[nth + 1]] for nth in pictures)
        return np.concatenate([np.empty(0, np.int64), *ranges])

    def _asked(self, numbers: Numbers, verify: Verify) -> Sequence[Pair]:
        self._is_asked[numbers] = True
        self._open_pairs -= np.bincount(self._worse[numbers], minlength=self._count)
        return verify(numbers)

    def _joined(self, pairs: Iterable[Pair]) -> Numbers:
        """Settle those that were found to look like a middle; return them."""
        worse = {max(self._nth[pair.first], self._nth[pair.second]) for pair in pairs}
        joined = np.asarray(sorted(worse), np.int64)
        self._is_settled[joined] = True
        return joined

    def _outcome(self, pairs: Sequence[Pair] = (), *, settled: int) -> Compared:
        return Compared(pairs=tuple(pairs), settled=settled, suggested=len(self._better))


def stars(standings: Sequence[Standing], pairs: Iterable[Pair]) -> list[list[int]]:
    """Group pictures around the best of them; each list begins with the one to keep.

    Best first, a picture joins the star whose middle it is most like, among those it was
    verified against, or else begins a star of its own.
    """
    alike: dict[int, dict[int, float]] = {}
    for pair in pairs:
        alike.setdefault(pair.first, {})[pair.second] = pair.likeness
        alike.setdefault(pair.second, {})[pair.first] = pair.likeness
    groups: dict[int, list[int]] = {}
    for place in sorted(range(len(standings)), key=lambda place: standings[place].rank):
        middle = _middle(alike.get(place, {}), groups, standings)
        groups.setdefault(place if middle is None else middle, []).append(place)
    return list(groups.values())


def _homes(standings: Sequence[Standing], pairs: Sequence[Pair]) -> list[int]:
    """The middle of the star of every picture; its own, where it has no pair."""
    home = list(range(len(standings)))
    for star in _groups(standings, pairs):
        for place in star:
            home[place] = star[0]
    return home


def _groups(standings: Sequence[Standing], pairs: Sequence[Pair]) -> list[list[int]]:
    """The stars of the pictures that have a pair."""
    some = sorted({place for pair in pairs for place in (pair.first, pair.second)})
    number = {place: number for number, place in enumerate(some)}
    among = [
        Pair(first=number[pair.first], second=number[pair.second], likeness=pair.likeness)
        for pair in pairs
    ]
    found = stars([standings[place] for place in some], among)
    return [[some[place] for place in star] for star in found]


def _middle(
    alike: Mapping[int, float], groups: Mapping[int, object], standings: Sequence[Standing]
) -> int | None:
    middles = [place for place in alike if place in groups]
    if not middles:
        return None
    return min(middles, key=lambda place: (-alike[place], standings[place].digest))
