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
from curation.pairs import Pair

if TYPE_CHECKING:
    from curation.dataset import Row


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


def contending(
    home: Sequence[int], species: Sequence[AbstractSet[str]], pairs: Iterable[Pair]
) -> dict[int, set[int]]:
    """The groups that show one picture with others of another species, by their middles.

    They show one picture, of which only a copy in between was found to resemble both.

    Args:
        home: of every picture, the middle of its group.
        species: for which it was gathered.
        pairs: verified look-alikes.

    Returns:
        Of every such group all that show its picture, itself included.
    """
    found: dict[int, set[int]] = {}
    for pair in pairs:
        one, other = home[pair.first], home[pair.second]
        if one != other and species[pair.first] != species[pair.second]:
            found.setdefault(one, {one}).add(other)
            found.setdefault(other, {other}).add(one)
    return found


def claims_of(
    digests: Iterable[tuple[str, AbstractSet[str]]],
    kept: AbstractSet[tuple[str, str]] = frozenset(),
) -> Claims:
    """Who claims a picture.

    Args:
        digests: all that show it, each with the species for which it was gathered.
        kept: digests, with the species under which a person keeps them.
    """
    claimed = {(digest, name) for digest, species in digests for name in species}
    return Claims(
        label=min(digest for digest, _ in claimed),
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
