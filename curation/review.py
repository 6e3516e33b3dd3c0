"""The review: what a person decided about images, and how that is applied.

A review is a CSV file with the header `digest,species,decision,to,note`, one decision a line,
as `bestiary review` writes it for a spreadsheet. A line without a decision decides nothing.

keep      the image stays, whatever its flags; where species contend for it, it is this one's
drop      it goes, for `note`
move      it shows the species in `to`
distinct  it is no look-alike of the image whose digest is in `to`
"""

from __future__ import annotations

import bisect
import csv
import functools
import io
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

from curation import reasons
from curation.dataset import folder_name
from curation.errors import UsageError
from curation.spool import Spool, where
from scraper.harvest import Record

COLUMNS: Final = ("digest", "species", "decision", "to", "note")
DECISIONS: Final = ("keep", "drop", "move", "distinct")
MIN_PREFIX: Final = 8
"""Digits of a digest that may stand for all 64."""
_DIGEST_LENGTH = 64
_NAME_LENGTH = 12
_MAX_BYTES = 64 * 2**20
_MOST_BYTES = 200
"""Of a species' name, as `bestiary scrape` takes it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Decision:
    """One line of a review."""

    digest: str
    """Of the original, in lower case; its beginning is enough."""
    species: str
    """Under which it was gathered; empty where that makes no difference."""
    decision: str
    to: str = ""
    note: str = ""
    place: str = ""
    """Where it was written, for messages: `review.csv, line 3`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reviewed:
    """A harvest's records after a review."""

    records: Sequence[Record]
    """All of them; what was moved is under its new species."""
    marks: Mapping[int, str] = field(default_factory=dict)
    """By a record's number: what was decided about it, for the manifest."""
    dropped: Mapping[int, str] = field(default_factory=dict)
    """By a record's number: the reason for which a person dropped it."""
    kept: frozenset[tuple[str, str]] = frozenset()
    """Digests with the species under which they are to be kept."""
    apart: frozenset[tuple[str, str]] = frozenset()
    """Digests, the smaller first, that are no look-alikes."""
    warnings: tuple[str, ...] = ()

    @property
    def standing(self) -> Sequence[Record]:
        """The records that nobody dropped."""
        if not self.dropped:
            return self.records
        return where(self.records, lambda record: record.id not in self.dropped)

    @property
    def kept_digests(self) -> frozenset[str]:
        """What no flag may drop."""
        return frozenset(digest for digest, _ in self.kept)


def read_review(path: Path) -> tuple[Decision, ...]:
    """Read the decisions of a review file, in its order.

    Raises:
        UsageError: it is no review; the message names the line and the column.
    """
    try:
        body = path.read_bytes()[:_MAX_BYTES]
        text = body.decode("utf-8-sig")
    except OSError as error:
        raise UsageError(f"cannot read the review {path}: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise UsageError(f"{path} is not text in UTF-8: save it as CSV UTF-8") from error
    return tuple(_decisions(text, path.name))


def _decisions(text: str, name: str) -> Iterable[Decision]:
    delimiter = ";" if ";" in text.partition("\n")[0] else ","  # What some spreadsheets write.
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(lines, [])
        if tuple(cell.strip().lower() for cell in header) != COLUMNS:
            raise UsageError(
                f"{name}, line 1: the header must be {','.join(COLUMNS)}, not {','.join(header)}"
            )
        for cells in lines:
            if any(cell.strip() for cell in cells):
                yield from _decision(cells, f"{name}, line {lines.line_num}")
    except csv.Error as error:
        raise UsageError(f"{name}, line {lines.line_num}: it is no CSV ({error})") from error


def _decision(cells: Sequence[str], place: str) -> Iterable[Decision]:
    if len(cells) != len(COLUMNS):
        raise UsageError(f"{place}: {len(cells)} columns instead of {len(COLUMNS)}")
    digest, species, decision, to, note = (" ".join(cell.split()) for cell in cells)
    digest, decision = digest.lower(), decision.lower()
    if not decision:
        return
    if decision not in DECISIONS:
        raise UsageError(
            f"{place}, column decision: {decision!r} is none of {', '.join(DECISIONS)}"
        )
    _require_digest(digest, f"{place}, column digest")
    if decision == "distinct":
        to = to.lower()
        _require_digest(to, f"{place}, column to")
    if decision == "move" and not to:
        raise UsageError(f"{place}, column to: say to which species it moves")
    yield Decision(digest=digest, species=species, decision=decision, to=to, note=note, place=place)


def _require_digest(digest: str, place: str) -> None:
    is_hexadecimal = set(digest) <= set("0123456789abcdef")
    if not is_hexadecimal or not MIN_PREFIX <= len(digest) <= _DIGEST_LENGTH:
        raise UsageError(
            f"{place}: {digest!r} is no digest: give the first {MIN_PREFIX} to"
            f" {_DIGEST_LENGTH} digits of one in the manifest"
        )


def reviewed(records: Sequence[Record], decisions: Sequence[Decision]) -> Reviewed:
    """Apply decisions to a harvest's records, in their order.

    What no record has is a warning: an image may have been forgotten since.

    Raises:
        UsageError: the beginning of a digest fits several, or two decisions contradict each
            other; the message names the line.
    """
    if not decisions:
        return Reviewed(records=records)
    session = _Session(records, decisions)
    for decision in decisions:
        session.apply(decision)
    return session.result()


def _meant_by(decisions: Iterable[Decision]) -> Callable[[str], bool]:
    """Tells the digests of which one that a decision names may be the beginning."""
    named = {name for decision in decisions for name in (decision.digest, decision.to) if name}
    lengths = sorted({len(name) for name in named})
    return lambda digest: any(digest[:length] in named for length in lengths)


class _Session:
    """A review while it is applied."""

    def __init__(self, records: Sequence[Record], decisions: Iterable[Decision]) -> None:
        self._gathered = records
        meant = _meant_by(decisions)
        self._by_digest: dict[str, list[Record]] = {}
        for record in records:
            if meant(record.sha256 or ""):
                self._by_digest.setdefault(record.sha256 or "", []).append(record)
        self._now = {record.id: record for some in self._by_digest.values() for record in some}
        self._digests = sorted(self._by_digest)
        self._decided: dict[int, Decision] = {}
        self._marks: dict[int, list[str]] = {}
        self._dropped: dict[int, str] = {}
        self._kept: set[int] = set()
        self._apart: set[tuple[str, str]] = set()
        self._warnings: list[str] = []

    @functools.cached_property
    def _species(self) -> frozenset[str]:
        return frozenset(record.species for record in self._gathered)

    def apply(self, decision: Decision) -> None:
        """Take one decision in."""
        digest = self._known(decision.digest, f"{decision.place}, column digest")
        meant = self._meant(decision, digest) if digest else []
        if not digest or not meant:
            return
        if decision.decision == "distinct":
            self._set_apart(decision, digest)
            return
        for record in meant:
            self._require_no_contradiction(record, decision)
            self._settle(record, decision)

    def result(self) -> Reviewed:
        """What came of it."""
        known = {record.species for record in self._gathered}
        new = sorted({record.species for record in self._now.values()} - known)
        now = (self._now.get(record.id, record) for record in self._gathered)
        if new:
            names = ", ".join(new)
            self._warnings.append(f"the review moves images to {names}, which was not gathered")
        return Reviewed(
            records=Spool.of(Record, now),
            marks={number: "; ".join(marks) for number, marks in self._marks.items()},
            dropped=self._dropped,
            kept=frozenset(
                (self._now[number].sha256 or "", self._now[number].species) for number in self._kept
            ),
            apart=frozenset(self._apart),
            warnings=tuple(self._warnings),
        )

    def _known(self, prefix: str, place: str) -> str:
        """The digest that begins so; empty, and a warning, where there is none."""
        first = bisect.bisect_left(self._digests, prefix)
        fitting = [d for d in self._digests[first : first + 2] if d.startswith(prefix)]
        if len(fitting) > 1:
            raise UsageError(f"{place}: {prefix} fits several images: give more digits")
        if not fitting:
            self._warnings.append(f"{place}: no image of the harvest has the digest {prefix}")
        return fitting[0] if fitting else ""

    def _meant(self, decision: Decision, digest: str) -> list[Record]:
        """The records of the image that were gathered for the species, or moved to it."""
        found = [
            record
            for record in self._by_digest[digest]
            if decision.species in {"", record.species, self._now[record.id].species}
        ]
        if not found:
            self._warnings.append(
                f"{decision.place}, column species: {digest[:_NAME_LENGTH]} was not gathered for"
                f" {decision.species}"
            )
        return found

    def _set_apart(self, decision: Decision, digest: str) -> None:
        other = self._known(decision.to, f"{decision.place}, column to")
        if other == digest:
            raise UsageError(f"{decision.place}, column to: it is the same image")
        if other:
            self._apart.add((min(digest, other), max(digest, other)))
            for one, another in ((digest, other), (other, digest)):
                for record in self._by_digest[one]:
                    self._mark(record, f"distinct: from {another[:_NAME_LENGTH]}")

    def _require_no_contradiction(self, record: Record, decision: Decision) -> None:
        before = self._decided.setdefault(record.id, decision)
        pair = {before.decision, decision.decision}
        is_same_move = before.to == decision.to or "move" not in pair
        if pair == {"keep", "move"} or (len(pair) == 1 and is_same_move):
            return
        raise UsageError(
            f"{decision.place}: {decision.digest} of {record.species} was decided otherwise"
            f" before ({before.place}: {before.decision} {before.to}".rstrip()
            + "): delete one of the two"
        )

    def _settle(self, record: Record, decision: Decision) -> None:
        mark = decision.decision
        if decision.decision == "keep":
            self._kept.add(record.id)
        elif decision.decision == "drop":
            reason = f"{reasons.REVIEWED}: {decision.note}" if decision.note else reasons.REVIEWED
            self._dropped[record.id] = reason
        else:
            if decision.to not in self._species:
                _require_folder_name(decision)
            self._now[record.id] = replace(self._now[record.id], species=decision.to)
            mark = f"move: from {record.species}"
        self._mark(record, mark)

    def _mark(self, record: Record, mark: str) -> None:
        marks = self._marks.setdefault(record.id, [])
        if mark not in marks:
            marks.append(mark)
            marks.sort()


def _require_folder_name(decision: Decision) -> None:
    """Make sure that a new species, which an image is moved to, can be a folder as it is called."""
    if folder_name(decision.to) != decision.to or len(decision.to.encode()) > _MOST_BYTES:
        raise UsageError(
            f"{decision.place}, column to: the species {decision.to[:40]!r} cannot be a folder's"
            " name: give a short one without dots at its ends, slashes and the like"
        )
