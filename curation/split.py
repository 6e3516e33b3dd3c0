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
import itertools
import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Final

from curation.errors import SplitError
from curation.recipe import SPLITS, Split

Targets = Mapping[str, Sequence[Fraction]]
"""How many images of a species each part should get; together, all that it has."""

_ORDER: Final[tuple[Split, ...]] = ("test", "val", "train")
"""Of the splits along the line: what grows at its back is train, the largest."""
_SERVED: Final[tuple[Split, ...]] = ("train", "test", "val")
"""Who must not go without, first, where a species is too small for all."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What the split has to know of one image."""

    digest: str
    species: str
    group: str | None = None
    """Images of one group share a split; None for an image on its own."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Group:
    """Images that stay together."""

    lot: bytes
    digests: tuple[str, ...]
    counts: Mapping[str, int]
    """Of its images, how many are of each species."""

    @property
    def size(self) -> int:
        return sum(self.counts.values())


def split(
    tickets: Iterable[Ticket],
    *,
    shares: Sequence[float],
    seed: int,
    settled: Mapping[str, Split] | None = None,
) -> dict[str, Split]:
    """Give every digest its split, with shares of train, val and test.

    Of every species at least one group trains; test and then val get one too, where no count
    strays by a whole group from its share for that. See `split_to` for `settled`.
    """
    tickets = list(tickets)
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
) -> dict[str, Split]:
    """Give every digest its split, with targets for train, val and test.

    Args:
        tickets: the images.
        targets: by species, in the order of `SPLITS`.
        seed: of the lots.
        settled: digests whose split is given. A group with several of them goes to train
            before val before test: what once trained is not tested.
    """
    groups = _groups(tickets, seed)
    in_order = {
        species: [wanted[SPLITS.index(name)] for name in _ORDER]
        for species, wanted in targets.items()
    }
    places = {digest: _ORDER.index(name) for digest, name in (settled or {}).items()}
    fixed = {
        number: max(known)
        for number, group in enumerate(groups)
        if (known := [places[digest] for digest in group.digests if digest in places])
    }
    home = _deal(groups, in_order, fixed)
    for species in _by_species(groups, in_order):
        _serve(species, groups, home, fixed)
    return {
        digest: _ORDER[home[number]]
        for number, group in enumerate(groups)
        for digest in group.digests
    }


def folds(
    tickets: Iterable[Ticket],
    *,
    count: int,
    seed: int,
    settled: Mapping[str, int] | None = None,
) -> dict[str, int]:
    """Give every digest its fold, 0 to `count` - 1: equal parts of every species.

    Raises:
        SplitError: a species has fewer groups than there are folds.
    """
    tickets = list(tickets)
    groups = _groups(tickets, seed, what="fold ")
    _require_enough(groups, count)
    targets = {
        species: [Fraction(total, count)] * count for species, total in images(tickets).items()
    }
    places = settled or {}
    fixed = {
        number: min(known)
        for number, group in enumerate(groups)
        if (known := [places[digest] for digest in group.digests if digest in places])
    }
    home = _deal(groups, targets, fixed)
    return {digest: home[number] for number, group in enumerate(groups) for digest in group.digests}


def images(tickets: Iterable[Ticket]) -> dict[str, int]:
    """How many images there are of each species."""
    distinct = {(ticket.digest, ticket.species) for ticket in tickets}
    return dict(sorted(Counter(species for _, species in distinct).items()))


def whole_groups(tickets: Iterable[Ticket]) -> list[tuple[str, tuple[str, ...]]]:
    """Every group as its most frequent species and its digests, in that order."""
    return sorted(
        (min(group.counts, key=lambda name: (-group.counts[name], name)), group.digests)
        for group in _groups(tickets, seed=0)
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


def _groups(tickets: Iterable[Ticket], seed: int, *, what: str = "") -> list[_Group]:
    """Whole groups, in the order of their lots."""
    members: dict[str, set[tuple[str, str]]] = {}
    alone: dict[str, tuple[str, ...]] = {}
    shared: dict[tuple[str, ...], tuple[str, ...]] = {}
    for ticket in tickets:
        if ticket.group is not None:
            members.setdefault(ticket.group, set()).add((ticket.digest, ticket.species))
        elif ticket.species not in (known := alone.get(ticket.digest, ())):
            named = (*known, ticket.species)
            alone[ticket.digest] = shared.setdefault(named, named)
    one_of = {species: {species: 1} for species in set(itertools.chain(*alone.values()))}
    made = [
        _Group(
            lot=_lot(seed, what + digest),
            digests=(digest,),
            counts=one_of[species[0]] if len(species) == 1 else Counter(species),
        )
        for digest, species in alone.items()
    ]
    for group in members.values():
        digests = tuple(sorted({digest for digest, _ in group}))
        counts = Counter(species for _, species in group)
        made.append(_Group(lot=_lot(seed, what + digests[0]), digests=digests, counts=counts))
    return sorted(made, key=lambda group: (group.lot, group.digests))


def _deal(groups: Sequence[_Group], targets: Targets, fixed: Mapping[int, int]) -> list[int]:
    """Give every group its part; those that are fixed have theirs."""
    home = [-1] * len(groups)
    room = {species: list(wanted) for species, wanted in targets.items()}

    def place(number: int, part: int) -> None:
        home[number] = part
        for species, count in groups[number].counts.items():
            room[species][part] -= count

    for number, part in fixed.items():
        place(number, part)
    rest = [number for number in range(len(groups)) if number not in fixed]
    bound = [number for number in rest if groups[number].size > 1]
    for number in sorted(bound, key=lambda number: -groups[number].size):
        place(number, _neediest(groups[number], room, targets))
    for species, line in _lines(groups, rest).items():
        for number, part in zip(line, _cut(room[species], len(line)), strict=True):
            home[number] = part
    return home


def _neediest(group: _Group, room: Mapping[str, Sequence[Fraction]], targets: Targets) -> int:
    """The part in which a group leaves the least squared error, each species weighing the same."""

    def error(part: int) -> Fraction:
        errors = (
            count * (count - 2 * room[species][part]) / sum(targets[species]) ** 2
            for species, count in group.counts.items()
        )
        return sum(errors, Fraction(0))

    return min(range(len(next(iter(room.values())))), key=error)


def _lines(groups: Sequence[_Group], numbers: Iterable[int]) -> dict[str, list[int]]:
    """Per species, the images on their own, in the order of their lots."""
    lines: dict[str, list[int]] = {}
    for number in numbers:
        if groups[number].size == 1:
            (species,) = groups[number].counts
            lines.setdefault(species, []).append(number)
    return lines


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


@dataclass(frozen=True, slots=True, kw_only=True)
class _Species:
    """One species in the deal: its groups, by number, and the images wanted in each part."""

    name: str
    numbers: Sequence[int]
    targets: Sequence[Fraction]


def _by_species(groups: Sequence[_Group], targets: Targets) -> Iterator[_Species]:
    numbers: dict[str, list[int]] = {}
    for number, group in enumerate(groups):
        for name in group.counts:
            numbers.setdefault(name, []).append(number)
    for name, mine in sorted(numbers.items()):
        yield _Species(name=name, numbers=mine, targets=targets[name])


def _serve(
    species: _Species, groups: Sequence[_Group], home: list[int], fixed: Mapping[int, int]
) -> None:
    """Let no split of a small species go without, where none strays by a group for that."""
    counts = [0] * len(species.targets)
    for number in species.numbers:
        counts[home[number]] += groups[number].counts[species.name]
    own = [number for number in species.numbers if len(groups[number].counts) == 1]
    largest = max((groups[number].size for number in own), default=0)
    for place, name in enumerate(_SERVED):
        part = _ORDER.index(name)
        if counts[part] or not species.targets[part]:
            continue
        least = [target - largest for target in species.targets]
        for served in _SERVED[:place]:
            least[_ORDER.index(served)] = max(Fraction(0), least[_ORDER.index(served)])
        givers = [
            number
            for number in own
            if number not in fixed
            and counts[home[number]] - groups[number].size > least[home[number]]
        ]
        if givers:
            given = min(givers, key=lambda number: (groups[number].size, number))
            counts[home[given]] -= groups[given].size
            counts[part] += groups[given].size
            home[given] = part


def _require_enough(groups: Iterable[_Group], count: int) -> None:
    """Refuse folds that would lack a species."""
    found = Counter(species for group in groups for species in group.counts)
    few = {species: number for species, number in sorted(found.items()) if number < count}
    if few:
        listed = ", ".join(f"{species} has {number}" for species, number in few.items())
        raise SplitError(
            f"too few images that may be apart for {count} folds: {listed}; gather more with"
            f" `bestiary scrape`, ask for --folds {max(2, min(few.values()))} or fewer, or remove"
            " species with `bestiary forget --species`"
        )
