"""Questions: what of a dataset only a person can decide, written for a spreadsheet.

The columns are those of a review (`curation.review`), with the decision left empty; the note
says what the question is, and `to` suggests what a `move` or `distinct` would need.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from curation import reasons
from curation.claims import conflicts
from curation.dataset import Row
from curation.review import COLUMNS
from curation.suspicion import suspects

_MAX_NOTE = 400
_STARTS_A_FORMULA = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Question:
    """One image to decide about."""

    digest: str
    species: str
    to: str
    note: str


def open_questions(rows: Sequence[Row], *, at_least: float = 0.3) -> list[Question]:
    """What is left to decide: conflicts, then suspicious images, worst first.

    The sides of a conflict follow each other.
    """
    return [*_contended(rows), *_suspicious(rows, at_least)]


def _contended(rows: Sequence[Row]) -> Iterable[Question]:
    for conflict in conflicts(rows):
        for claim in conflict.claims:
            others = ", ".join(one.species for one in conflict.claims if one is not claim)
            note = (
                f"conflict {conflict.group}: {claim.species}, or {others or 'another species'}?"
                f" rank {claim.best_rank + 1}, hosts {' '.join(claim.hosts) or '-'},"
                f" pages {' '.join(claim.pages) or '-'} {' / '.join(claim.titles)}"
            )
            for digest in claim.digests:
                yield Question(digest=digest, species=claim.species, to="", note=note)


def _suspicious(rows: Sequence[Row], at_least: float) -> Iterable[Question]:
    for row in suspects(rows, at_least=at_least):
        if reasons.word(row.reason) == reasons.CONFLICT or not row.kept:
            continue
        where = row.page_url or row.image_url
        yield Question(
            digest=row.digest,
            species=row.species,
            to=row.likely_species or "",
            note=f"{row.suspicion_reasons}: {row.file} {where}",
        )


def write_questions(path: Path, questions: Iterable[Question]) -> None:
    """Write questions as a review file without decisions.

    It begins with a mark by which spreadsheets know its letters; without, some make Ã¶ of an ö.

    Raises:
        FileExistsError: there is such a file, in which somebody may have decided.
        OSError: it cannot be written.
    """
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    unready = Path(name)
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8-sig", newline="") as file:
            table = csv.writer(file, lineterminator="\n")
            table.writerow(COLUMNS)
            for one in questions:
                table.writerow([one.digest, one.species, "", one.to, _harmless(one.note)])
        os.link(unready, path)  # Unlike a rename, this replaces nothing.
    finally:
        unready.unlink()


def _harmless(note: str) -> str:
    """Text from the web on one line, which no spreadsheet takes for a formula."""
    line = " ".join(note.split())[:_MAX_NOTE]
    return f"'{line}" if line.startswith(_STARTS_A_FORMULA) else line
