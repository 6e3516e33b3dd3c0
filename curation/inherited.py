"""Inherited: what a network found of pictures that are in the next version of a dataset, too.

`bestiary suspect` writes into a finished dataset. When another takes its place, what was found
of a picture goes on with it, as long as the same bytes are kept under the same species. The
lock covers none of it, so the entry is that of a dataset which no network has seen.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from curation.dataset import MANIFEST, Dataset, Row
from curation.errors import DatasetError
from curation.spool import where

_COLUMNS = ("digest", "species", "file_sha256", "outlier", "label_doubt", "likely_species")


@dataclass(frozen=True, slots=True, kw_only=True)
class Inherited:
    """What was found in the dataset before, and who found it."""

    network: str = ""
    """See `Dataset.network`."""
    rows: Sequence[Row] = ()
    """Those that it looked at, in the manifest's order, with what is needed here alone."""

    def into(self, rows: Iterable[Row], species: AbstractSet[str]) -> Iterator[Row]:
        """The rows, which are in the manifest's order, with what was found of their files.

        What was taken for a species that is not among these is not known of any more.
        """
        earlier = iter(self.rows)
        known = next(earlier, None)
        for row in rows:
            while known is not None and _place(known) < _place(row):
                known = next(earlier, None)
            is_known = known is not None and _is_same(known, row)
            if known is not None and is_known and known.likely_species in {None, *species}:
                yield _with_found(row, known)
            else:
                yield row


NOTHING = Inherited()


def inherited_from(root: Path) -> Inherited:
    """What a network found in the dataset at `root`; nothing where none can be read there."""
    try:
        before = Dataset.read(root / MANIFEST, columns=_COLUMNS)
    except DatasetError:
        return NOTHING
    rows = where(before.rows, lambda row: row.outlier is not None)
    return Inherited(network=before.network, rows=rows) if rows else NOTHING


def _place(row: Row) -> tuple[str, str]:
    return row.species, row.digest


def _is_same(known: Row, row: Row) -> bool:
    return _place(known) == _place(row) and row.kept and known.file_sha256 == row.file_sha256


def _with_found(row: Row, known: Row) -> Row:
    return replace(
        row,
        outlier=known.outlier,
        label_doubt=known.label_doubt,
        likely_species=known.likely_species,
    )
