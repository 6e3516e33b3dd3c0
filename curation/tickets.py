"""Tickets: what the split has to know of images, in columns."""

from __future__ import annotations

from array import array
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np

from curation.digests import Digests


@dataclass(frozen=True, slots=True, kw_only=True)
class Ticket:
    """What the split has to know of one image."""

    digest: str
    """SHA-256."""
    species: str
    group: str | None = None
    """Images of one group share a split; None for an image on its own."""


class Tickets(Iterable[Ticket]):
    """Distinct tickets, by digest and species: 8 bytes each, and 36 for each digest."""

    def __init__(self, tickets: Iterable[Ticket]) -> None:
        species: dict[str, int] = {}
        groups: dict[str | None, int] = {None: -1}
        packed, numbers, bound = bytearray(), array("i"), array("i")
        for ticket in tickets:
            packed += bytes.fromhex(ticket.digest)
            numbers.append(species.setdefault(ticket.species, len(species)))
            bound.append(groups.setdefault(ticket.group, len(groups) - 1))
        self.digests, places = Digests.packed(packed)
        self.species = tuple(sorted(species))
        self.groups = tuple(name for name in groups if name is not None)
        nth = {name: number for number, name in enumerate(self.species)}
        rank = np.asarray([nth[name] for name in species], np.int64)
        pairs = places * np.int64(max(1, len(species))) + rank[np.asarray(numbers, np.int64)]
        found = np.unique(pairs)
        self.places, self.kinds = (
            column.astype(np.int32) for column in np.divmod(found, max(1, len(species)))
        )
        """Of every ticket the place of its digest, rising, and the number of its species."""
        self.group_of = np.full(len(self.digests), -1, np.int32)
        """Of every digest the number of its group, or -1 where it is on its own."""
        np.maximum.at(self.group_of, places, np.asarray(bound, np.int32))

    @classmethod
    def of(cls, tickets: Iterable[Ticket]) -> Tickets:
        """These tickets."""
        return tickets if isinstance(tickets, Tickets) else cls(tickets)

    def __len__(self) -> int:
        return len(self.places)

    def __iter__(self) -> Iterator[Ticket]:
        for place, kind in zip(self.places.data, self.kinds.data, strict=True):
            group = self.group_of[place]
            yield Ticket(
                digest=self.digests[place],
                species=self.species[kind],
                group=None if group < 0 else self.groups[group],
            )
