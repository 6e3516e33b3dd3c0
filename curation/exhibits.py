"""Exhibits: which pictures of a dataset the report shows, the most telling ones first."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from curation import flags, reasons
from curation.audit import Audit
from curation.dataset import Dataset, Row
from curation.leaks import LeakCheck, Near
from curation.spool import by, where
from curation.thumbnails import Picture, Thumbnails

_MAX_GROUPS = 96
_MAX_MEMBERS = 8
_MAX_SUSPECTS = 120
_PER_FLAG = 24
_MAX_LEAKS = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """Pictures that look alike; the kept one first."""

    name: str
    pictures: tuple[Picture, ...]
    more: int
    """Members that are not shown."""

    @property
    def species(self) -> tuple[str, ...]:
        """Every species that claims the picture."""
        return tuple(sorted({picture.row.species for picture in self.pictures}))


@dataclass(frozen=True, slots=True, kw_only=True)
class Facing:
    """Two files in different splits, side by side."""

    near: Near
    uris: tuple[str, str]
    rows: tuple[Row | None, Row | None]
    """What the manifest knows of them; None of a file that it does not list."""
    is_leak: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Sheet:
    """Pictures of one species: a contact sheet."""

    pictures: tuple[Picture, ...]
    all: int
    """How many there are."""


def facing(dataset: Dataset, leaks: LeakCheck | None, thumbnails: Thumbnails) -> tuple[Facing, ...]:
    """The leaks, and the nearest pairs that are none."""
    if leaks is None:
        return ()
    shown = [*((near, True) for near in leaks.leaks[:_MAX_LEAKS])]
    shown += [(near, False) for near in leaks.nearest]
    files = {file for near, _ in shown for file in (near.first, near.second)}
    rows = {row.file: row for row in dataset.rows if row.file in files}
    return tuple(
        Facing(
            near=near,
            uris=(thumbnails.of_file(near.first), thumbnails.of_file(near.second)),
            rows=(rows.get(near.first), rows.get(near.second)),
            is_leak=is_leak,
        )
        for near, is_leak in shown
    )


def groups(dataset: Dataset, thumbnails: Thumbnails) -> tuple[list[Group], list[Group]]:
    """Conflicts, and groups of look-alikes: those first in which two are least alike."""
    members = by(where(dataset.rows, lambda row: row.group), lambda row: row.group or "")
    conflicts = {name: rows for name, rows in members.items() if _is_conflict(rows)}
    others = {name: rows for name, rows in members.items() if name not in conflicts}
    by_doubt = sorted(others.items(), key=lambda item: (_least(item[1]), item[0]))
    return (
        list(_shown(sorted(conflicts.items()), thumbnails)),
        list(_shown(by_doubt, thumbnails)),
    )


def _is_conflict(rows: Iterable[Row]) -> bool:
    return any(reasons.word(row.reason) == reasons.CONFLICT for row in rows)


def _least(rows: Iterable[Row]) -> float:
    """The likeness of the member that is least like the kept one; copies of its bytes have 1."""
    return min(1.0 if row.likeness is None else row.likeness for row in rows)


def _shown(found: Iterable[tuple[str, Sequence[Row]]], thumbnails: Thumbnails) -> Iterator[Group]:
    for name, rows in itertools.islice(found, _MAX_GROUPS):
        ordered = sorted(rows, key=lambda row: (not row.kept, row.species, -(row.likeness or 1)))
        yield Group(
            name=name,
            pictures=tuple(thumbnails.picture(row) for row in ordered[:_MAX_MEMBERS]),
            more=max(0, len(rows) - _MAX_MEMBERS),
        )


def suspicious(figures: Audit, thumbnails: Thumbnails) -> tuple[Picture, ...]:
    """What a person should look at, the most suspicious first."""
    return tuple(thumbnails.picture(row) for row in figures.suspects[:_MAX_SUSPECTS])


def flagged(dataset: Dataset, thumbnails: Thumbnails) -> dict[str, tuple[Picture, ...]]:
    """Some kept pictures with each flag that is no trait of the dataset."""
    found = flags.flagged(where(dataset.rows, lambda row: row.kept))
    return {
        flag: tuple(thumbnails.picture(row) for row in rows[:_PER_FLAG])
        for flag, rows in found.items()
    }


def sheets(dataset: Dataset, thumbnails: Thumbnails) -> dict[str, Sheet]:
    """Pictures of every species: all where the page has room, else as many of each.

    Which ones, is by digest: as good as chance.
    """
    found = by(where(dataset.rows, lambda row: row.kept), lambda row: row.species)
    rows = dict(sorted(found.items()))
    pictures: dict[str, list[Picture]] = {name: [] for name in rows}
    for row in _in_turn(list(rows.values())):
        if thumbnails.is_full:
            break
        pictures[row.species].append(thumbnails.picture(row))
    return {name: Sheet(pictures=tuple(pictures[name]), all=len(rows[name])) for name in rows}


def _in_turn(rows: Sequence[Sequence[Row]]) -> Iterator[Row]:
    """The first of each species, then the second of each, …"""
    for nth in range(max(map(len, rows), default=0)):
        yield from (some[nth] for some in rows if nth < len(some))
