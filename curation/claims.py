"""Claims: which species a picture was gathered for, and what follows where there are several.

A group of look-alikes that spans species is a conflict. Who is right is a person's to say
(`curation.review`); until then the picture is dropped from all of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from curation import reasons

if TYPE_CHECKING:
    from curation.dataset import Row

Group = Sequence[str]
"""Digests of look-alikes, the best one first."""
Likeness = tuple[str, str, float]
"""Two digests, and how alike they are."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Claims:
    """Who claims the picture of one group."""

    label: str
    """The smallest digest of the group and of those that show the same picture elsewhere."""
    species: frozenset[str]
    upheld: frozenset[str]
    """Those of which a person said that it is theirs."""

    @property
    def owner(self) -> str | None:
        """The one species that it goes to; None in a conflict."""
        for names in (self.species, self.upheld):
            if len(names) == 1:
                return next(iter(names))
        return None


def claims_of(
    groups: Sequence[Group],
    species: Mapping[str, AbstractSet[str]],
    pairs: Iterable[Likeness],
    kept: AbstractSet[tuple[str, str]] = frozenset(),
) -> dict[str, Claims]:
    """Who claims each group, by its best digest.

    A look-alike of another species in another group counts too: the groups then show one
    picture, of which only a copy in between was found to resemble both.

    Args:
        groups: of all usable digests.
        species: for which each digest was gathered.
        pairs: verified look-alikes.
        kept: digests, with the species under which a person keeps them.
    """
    best = {digest: group[0] for group in groups for digest in group}
    near = {group[0]: {group[0]} for group in groups}
    for a, b, _ in pairs:
        if best[a] != best[b] and species[a] != species[b]:
            near[best[a]].add(best[b])
            near[best[b]].add(best[a])
    members = {group[0]: group for group in groups}
    return {
        head: _joint([digest for one in sorted(others) for digest in members[one]], species, kept)
        for head, others in near.items()
    }


def _joint(
    digests: Sequence[str],
    species: Mapping[str, AbstractSet[str]],
    kept: AbstractSet[tuple[str, str]],
) -> Claims:
    claimed = {(digest, name) for digest in digests for name in species[digest]}
    return Claims(
        label=min(digests),
        species=frozenset(name for _, name in claimed),
        upheld=frozenset(name for _, name in claimed & kept),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Claim:
    """One side of a conflict: all that speaks for one species."""

    species: str
    digests: tuple[str, ...]
    pages: tuple[str, ...]
    """Addresses of the pages that show it, sorted."""
    hosts: tuple[str, ...]
    """Different ones are independent witnesses."""
    best_rank: int
    """0-based, among the results of a search for this species."""
    titles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Conflict:
    """One picture that was gathered for several species."""

    group: str
    claims: tuple[Claim, ...]
    """By species; a claim that stands alone has its rival in a group of a copy in between."""


def conflicts(rows: Iterable[Row]) -> tuple[Conflict, ...]:
    """Every conflict of a manifest that nobody has decided, with the claims of each side."""
    sides: dict[str, dict[str, list[Row]]] = {}
    for row in rows:
        if reasons.word(row.reason) == reasons.CONFLICT:
            sides.setdefault(row.group or "", {}).setdefault(row.species, []).append(row)
    return tuple(
        Conflict(group=group, claims=tuple(_claims(sides[group]))) for group in sorted(sides)
    )


def _claims(sides: Mapping[str, Sequence[Row]]) -> Iterator[Claim]:
    for name, rows in sorted(sides.items()):
        pages = {row.page_url or row.image_url for row in rows}
        yield Claim(
            species=name,
            digests=tuple(sorted({row.digest for row in rows})),
            pages=tuple(sorted(pages - {""})),
            hosts=tuple(sorted({urlsplit(page).hostname or "" for page in pages} - {""})),
            best_rank=min(row.rank for row in rows),
            titles=tuple(sorted({row.title for row in rows} - {""})),
        )
