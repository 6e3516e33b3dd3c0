"""The split: which images train, which validate, which test.

Every image draws a lot from the seed and its group's (or its own) digest. Within a species
images line up by their lots, and the line is cut where the shares say. So a split depends
on nothing but seed, digests and shares, and an image that is added moves the cuts by at
most one place each: nearly all others stay where they were.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from curation.recipe import SPLITS, Split


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What the split has to know of one image."""

    digest: str
    species: str
    group: str | None = None
    """Images of one group share a split; None for an image on its own."""


def split(
    tickets: Iterable[Ticket], *, shares: tuple[float, float, float], seed: int
) -> dict[str, Split]:
    """Give every digest its split, in every species as near the shares as whole groups allow.

    A group with images of several species lines up with its most frequent one. Of every
    species at least one group trains; each other split whose share is not 0 gets one too,
    test before val, where no count strays by a whole image from its share for that.
    """
    home: dict[str, Split] = {}
    for groups in _lines(tickets, seed).values():
        for group, chosen in zip(
            groups, _cut([len(group) for group in groups], shares), strict=True
        ):
            home.update(dict.fromkeys(group, chosen))
    return home


def lot(seed: int, name: str) -> str:
    """A name's place in line: as good as chance, and the same everywhere."""
    return hashlib.sha256(f"{seed} {name}".encode()).hexdigest()


def _lines(tickets: Iterable[Ticket], seed: int) -> dict[str, list[list[str]]]:
    """Per species, its groups of digests in the order of their lots."""
    groups: dict[tuple[bool, str], list[Ticket]] = {}
    for ticket in sorted(tickets, key=lambda ticket: (ticket.digest, ticket.species)):
        key = (ticket.group is not None, ticket.group or ticket.digest)
        groups.setdefault(key, []).append(ticket)
    lines: dict[str, list[tuple[str, list[str]]]] = {}
    for members in groups.values():
        digests = list(dict.fromkeys(member.digest for member in members))
        place = (lot(seed, digests[0]), digests)
        lines.setdefault(_main_species(members), []).append(place)
    return {species: [group for _, group in sorted(line)] for species, line in lines.items()}


def _main_species(members: Sequence[Ticket]) -> str:
    names = [member.species for member in members]
    return min(names, key=lambda name: (-names.count(name), name))


def _cut(sizes: Sequence[int], shares: tuple[float, float, float]) -> list[Split]:
    """Assign a line of groups, by their sizes, to splits."""
    quotas = _quotas(sum(sizes), len(sizes), dict(zip(SPLITS, shares, strict=True)))
    # Both may overshoot by part of a group; train must not lack more than one for that.
    most_cut = sum(sizes) * (shares[1] + shares[2]) + max(sizes)
    # Test and val are cut from the front: what grows at the back is train, the largest.
    order: list[Split] = [name for name in ("test", "val") if quotas[name] > 0]
    assigned: list[Split] = []
    filled = dict.fromkeys(SPLITS, 0)
    for place, size in enumerate(sizes):
        left = len(sizes) - place
        while order and _is_full(filled[order[0]], size, quotas[order[0]], left - len(order)):
            order.pop(0)
        is_too_much = sum(filled.values()) - filled["train"] + size > most_cut + 1e-9
        name = "train" if is_too_much or not order else order[0]
        filled[name] += size
        assigned.append(name)
    return assigned


def _is_full(filled: int, size: int, quota: int, spare: int) -> bool:
    """Whether the next group is better put elsewhere: it overshoots more than it fills."""
    if filled == 0 and spare >= 1:
        return False
    return spare < 1 or filled + size - quota > quota - filled


def _quotas(images: int, groups: int, shares: Mapping[Split, float]) -> dict[Split, int]:
    """Whole numbers of images, each within one of its share, by largest remainder.

    Train gets one at least; test, and then val, where another can spare it within its share.
    """
    exact = {name: images * shares[name] for name in SPLITS}
    quotas = {name: int(exact[name] + 1e-9) for name in SPLITS}
    by_remainder = sorted(SPLITS, key=lambda name: (quotas[name] - exact[name], SPLITS.index(name)))
    for name in by_remainder[: images - sum(quotas.values())]:
        quotas[name] += 1
    wanted = _wanted(shares)
    for place, name in enumerate(wanted[:groups]):
        spare = [
            other
            for other in SPLITS
            if quotas[other] > exact[other] + 1e-9
            and (quotas[other] > 1 or other not in wanted[:place])
        ]
        if quotas[name] == 0 and spare:
            quotas[max(spare, key=lambda other: quotas[other])] -= 1
            quotas[name] = 1
    return quotas


def _wanted(shares: Mapping[Split, float]) -> list[Split]:
    order: tuple[Split, ...] = ("train", "test", "val")
    return [name for name in order if shares[name] > 0]
