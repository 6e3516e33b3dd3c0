"""The split: which images train, which validate, which test; and the folds.

Images of one group stay together. Groups of several images are dealt first, largest first,
each to the part that lacks most of their species. Images on their own then line up, species
by species, by lots drawn from seed and digest, and the line is cut where the parts are full.

What follows, and the tests hold it to:
- The order in which images come changes nothing.
- Where groups keep to one species, every species is in every part within one of its groups
  (within one image, where it has no groups) of its share.
- An image on its own that is added to a species moves each cut of its line by one place at
  most, so at most one other image changes sides at each cut. No rule that looks at nothing
  but the images can do without: if no image ever moved, each would have its side for good,
  and a dataset of those alone that test would have nothing to train on.
- Whoever needs that none moves names the split that there was: what is `settled` stays,
  and only what is new is dealt, to where it is lacking.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from fractions import Fraction
from functools import cached_property
from typing import Final

import numpy as np
from numpy.typing import NDArray

from curation.digests import ByDigest
from curation.errors import SplitError
from curation.recipe import SPLITS, Split
from curation.tickets import Ticket, Tickets

Targets = Mapping[str, Sequence[Fraction]]
"""How many images of a species each part should get; together, all that it has."""
Parts = NDArray[np.int32]
"""Of every group its part, or -1 where it has none yet."""

_ORDER: Final[tuple[Split, ...]] = ("test", "val", "train")
"""Of the splits along the line: what grows at its back is train, the largest."""
_SERVED: Final[tuple[Split, ...]] = ("train", "test", "val")
"""Who must not go without, first, where a species is too small for all."""


class _Groups:
    """Whole groups of tickets, by number, in the order of their lots."""

    def __init__(self, tickets: Tickets, seed: int, *, what: str = "") -> None:
        self.tickets = tickets
        head = np.arange(len(tickets.digests), dtype=np.int32)
        is_bound = tickets.group_of >= 0
        first = np.full(len(tickets.groups), len(head), np.int32)
        np.minimum.at(first, tickets.group_of[is_bound], head[is_bound])
        head[is_bound] = first[tickets.group_of[is_bound]]
        heads = np.unique(head)
        """The first digest of every group."""
        lots = bytearray()
        for place in heads.data:
            lots += _lot(seed, what + tickets.digests[place])
        by_lot = np.argsort(np.frombuffer(lots, "S32"), kind="stable")
        nth = np.empty(len(heads), np.int32)
        nth[by_lot] = np.arange(len(heads), dtype=np.int32)
        self.home_of = nth[np.searchsorted(heads, head)]
        """Of every digest the number of its group."""
        of_ticket = self.home_of[tickets.places]
        self._order = np.argsort(of_ticket, kind="stable").astype(np.int32)
        self.sizes = np.bincount(of_ticket, minlength=len(heads)).astype(np.int32)
        """How many tickets are of each."""
        self._ends = np.cumsum(self.sizes, dtype=np.int32)

    def __len__(self) -> int:
        return len(self.sizes)

    def counts(self, number: int) -> dict[str, int]:
        """Of a group's images, how many are of each species."""
        kinds = self.tickets.kinds[self._of(number)]
        found, counts = np.unique(kinds, return_counts=True)
        return {
            self.tickets.species[kind]: count
            for kind, count in zip(found.tolist(), counts.tolist(), strict=True)
        }

    def digests(self, number: int) -> tuple[str, ...]:
        """Those of a group."""
        places = np.unique(self.tickets.places[self._of(number)])
        return tuple(self.tickets.digests[place] for place in places.data)

    @cached_property
    def single(self) -> NDArray[np.int32]:
        """The number of each one's species, or -1 where it has several."""
        kinds = self.tickets.kinds[self._order]
        starts = self._ends - self.sizes
        if not len(kinds):
            return np.empty(0, np.int32)
        least, most = (np.asarray(of.reduceat(kinds, starts)) for of in (np.minimum, np.maximum))
        return np.where(least == most, least, -1)

    def with_species(self, kind: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """The groups that have images of a species, and how many."""
        places = self.tickets.places[self.tickets.kinds == kind]
        return np.unique(self.home_of[places], return_counts=True)

    def settled(self, digests: Iterable[str]) -> Iterator[tuple[str, int]]:
        """Those of the digests that are in a group, and in which."""
        for digest in digests:
            try:
                place = self.tickets.digests.place(digest)
            except KeyError:
                continue
            yield digest, int(self.home_of[place])

    def _of(self, number: int) -> NDArray[np.int32]:
        end = self._ends[number]
        return self._order[end - self.sizes[number] : end]


def split(
    tickets: Iterable[Ticket],
    *,
    shares: Sequence[float],
    seed: int,
    settled: Mapping[str, Split] | None = None,
) -> Mapping[str, Split]:
    """Give every digest its split, with shares of train, val and test.

    Of every species at least one group trains; test and then val get one too, where no count
    strays by a whole group from its share for that. See `split_to` for `settled`.
    """
    tickets = Tickets.of(tickets)
    parts = [Fraction(share).limit_denominator(10**6) for share in shares]
    parts[0] = 1 - sum(parts[1:], Fraction(0))
    targets = {
        species: [count * part for part in parts] for species, count in images(tickets).items()
    }
    return split_to(tickets, targets=targets, seed=seed, settled=settled)


def split_to(
    tickets: Iterable[Ticket],
    *,
    targets: Targets,
    seed: int,
    settled: Mapping[str, Split] | None = None,
) -> Mapping[str, Split]:
    """Give every digest its split, with targets for train, val and test.

    Args:
        tickets: the images.
        targets: by species, in the order of `SPLITS`.
        seed: of the lots.
        settled: digests whose split is given. A group with several of them goes to train
            before val before test: what once trained is not tested.
    """
    groups = _Groups(Tickets.of(tickets), seed)
    in_order = {
        species: [wanted[SPLITS.index(name)] for name in _ORDER]
        for species, wanted in targets.items()
    }
    settled = settled or {}
    fixed = _no_parts(groups)
    for digest, number in groups.settled(settled):
        fixed[number] = max(fixed[number], _ORDER.index(settled[digest]))
    home = _deal(groups, in_order, fixed)
    for kind, species in enumerate(groups.tickets.species):
        _serve(kind, in_order[species], groups, home, fixed)
    return ByDigest.of(groups.tickets.digests, _ORDER, home[groups.home_of])


def folds(
    tickets: Iterable[Ticket],
    *,
    count: int,
    seed: int,
    settled: Mapping[str, int] | None = None,
) -> Mapping[str, int]:
    """Give every digest its fold, 0 to `count` - 1: equal parts of every species.

    Raises:
        SplitError: a species has fewer groups than there are folds.
    """
    tickets = Tickets.of(tickets)
    groups = _Groups(tickets, seed, what="fold ")
    _require_enough(groups, count)
    targets = {
        species: [Fraction(total, count)] * count for species, total in images(tickets).items()
    }
    settled = settled or {}
    fixed = _no_parts(groups)
    for digest, number in groups.settled(settled):
        known = fixed[number]
        fixed[number] = settled[digest] if known < 0 else min(known, settled[digest])
    home = _deal(groups, targets, fixed)
    return ByDigest.of(tickets.digests, range(count), home[groups.home_of])


def images(tickets: Iterable[Ticket]) -> dict[str, int]:
    """How many images there are of each species."""
    tickets = Tickets.of(tickets)
    counts = np.bincount(tickets.kinds, minlength=len(tickets.species)).tolist()
    return dict(zip(tickets.species, counts, strict=True))


def whole_groups(tickets: Iterable[Ticket]) -> list[tuple[str, tuple[str, ...]]]:
    """Every group as its most frequent species and its digests, in that order."""
    groups = _Groups(Tickets.of(tickets), seed=0)
    every = ((groups.counts(number), groups.digests(number)) for number in range(len(groups)))
    return sorted(
        (min(counts, key=lambda name: (-counts[name], name)), digests) for counts, digests in every
    )


def torn(tickets: Iterable[Ticket], home: Mapping[str, object]) -> tuple[str, ...]:
    """The groups whose images are not all in one place: there must be none.

    `home` says where each digest is, be it a split or a fold; a digest without one counts not.
    """
    places: dict[str, set[object]] = {}
    for ticket in tickets:
        if ticket.group is not None and ticket.digest in home:
            places.setdefault(ticket.group, set()).add(home[ticket.digest])
    return tuple(sorted(group for group, found in places.items() if len(found) > 1))


def _lot(seed: int, name: str) -> bytes:
    """A name's place in line: as good as chance, and the same everywhere."""
    return hashlib.sha256(f"{seed} {name}".encode()).digest()


def _no_parts(groups: _Groups) -> Parts:
    return np.full(len(groups), -1, np.int32)


def _deal(groups: _Groups, targets: Targets, fixed: Parts) -> Parts:
    """Give every group its part; those that are fixed have theirs."""
    home = fixed.copy()
    room = {species: list(wanted) for species, wanted in targets.items()}
    for kind, species in enumerate(groups.tickets.species):
        numbers, counts = groups.with_species(kind)
        for part in range(len(room[species])):
            room[species][part] -= int(counts[fixed[numbers] == part].sum())
    bound = np.flatnonzero((fixed < 0) & (groups.sizes > 1))
    for number in bound[np.argsort(-groups.sizes[bound], kind="stable")].tolist():
        counts_of = groups.counts(number)
        part = home[number] = _neediest(counts_of, room, targets)
        for species, count in counts_of.items():
            room[species][part] -= count
    is_alone = (fixed < 0) & (groups.sizes == 1)
    for kind, species in enumerate(groups.tickets.species):
        line = np.flatnonzero(is_alone & (groups.single == kind))
        if len(line):
            home[line] = np.fromiter(_cut(room[species], len(line)), np.int32, count=len(line))
    return home


def _neediest(
    counts: Mapping[str, int], room: Mapping[str, Sequence[Fraction]], targets: Targets
) -> int:
    """The part in which a group leaves the least squared error, each species weighing the same."""

    def error(part: int) -> Fraction:
        errors = (
            count * (count - 2 * room[species][part]) / sum(targets[species]) ** 2
            for species, count in counts.items()
        )
        return sum(errors, Fraction(0))

    return min(range(len(next(iter(room.values())))), key=error)


def _cut(room: Sequence[Fraction], count: int) -> Iterator[int]:
    """Cut a line of `count` images into consecutive parts, as the room that is left says."""
    end = before = 0
    filled = Fraction(0)
    for part, wanted in enumerate(_levelled(room, count)):
        filled += wanted
        end = math.ceil(filled - Fraction(1, 2))
        yield from [part] * (end - before)
        before = end


def _levelled(room: Sequence[Fraction], count: int) -> list[Fraction]:
    """Room for `count` in all: where other parts are over full, the largest rooms give first."""
    left = sorted(room)
    while left[0] < (level := (sum(left, Fraction(0)) - count) / len(left)):
        left.pop(0)
    return [max(Fraction(0), wanted - level) for wanted in room]


def _serve(
    kind: int, targets: Sequence[Fraction], groups: _Groups, home: Parts, fixed: Parts
) -> None:
    """Let no split of a small species go without, where none strays by a group for that."""
    numbers, of_each = groups.with_species(kind)
    counts = np.bincount(home[numbers], of_each, len(targets)).astype(int).tolist()
    own = numbers[groups.single[numbers] == kind]
    largest = int(groups.sizes[own].max(initial=0))
    for place, name in enumerate(_SERVED):
        part = _ORDER.index(name)
        if counts[part] or not targets[part]:
            continue
        least = [target - largest for target in targets]
        for served in _SERVED[:place]:
            least[_ORDER.index(served)] = max(Fraction(0), least[_ORDER.index(served)])
        givers = [
            number
            for number in own.tolist()
            if fixed[number] < 0
            and counts[home[number]] - int(groups.sizes[number]) > least[home[number]]
        ]
        if givers:
            given = min(givers, key=lambda number: (groups.sizes[number], number))
            size = int(groups.sizes[given])
            counts[home[given]] -= size
            counts[part] += size
            home[given] = part


def _require_enough(groups: _Groups, count: int) -> None:
    """Refuse folds that would lack a species."""
    few = {
        species: number
        for kind, species in enumerate(groups.tickets.species)
        if (number := len(groups.with_species(kind)[0])) < count
    }
    if few:
        listed = ", ".join(f"{species} has {number}" for species, number in few.items())
        least = min(few.values())
        fewer = f" ask for --folds {least} or fewer," if least > 1 else ""
        raise SplitError(
            f"too few images that may be apart for {count} folds: {listed}; gather more with"
            f" `bestiary scrape`,{fewer} or remove species with `bestiary forget --species`"
        )
