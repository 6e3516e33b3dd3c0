"""The decision: of everything that was gathered, what is kept, and why the rest is not.

Pure: records, findings and look-alikes in, manifest rows out.
"""

from __future__ import annotations

import bisect
import itertools
from array import array
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

import numpy as np

from curation import reasons
from curation.claims import Claims, claims_of, contending
from curation.dataset import Row
from curation.digests import ByDigest, Digests
from curation.findings import Finding, Findings
from curation.flags import traits
from curation.inherited import NOTHING, Inherited
from curation.pairs import Pairs
from curation.recipe import CurationRecipe
from curation.review import Reviewed
from curation.sides import NONE_BEFORE, Sides, with_sides
from curation.spool import Selection, Spool
from curation.stars import Standings, around, homes
from curation.suspicion import with_suspicion
from scraper.harvest import Record

_NAME_LENGTH = 12

SpeciesByDigest = ByDigest[frozenset[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    group: str | None
    reason: str
    likeness: float | None = None


_ALONE = _Verdict(group=None, reason="")
"""Of a picture that resembles no other, and that one species claims."""


def decide(
    review: Reviewed,
    findings: Findings,
    species: SpeciesByDigest,
    pairs: Pairs,
    recipe: CurationRecipe,
    *,
    before: Sides = NONE_BEFORE,
    inherited: Inherited = NOTHING,
    unmarked: Mapping[int, int] = MappingProxyType({}),
) -> Sequence[Row]:
    """Make the manifest: one row per record, ordered by species, digest and address.

    Args:
        review: what the harvest kept, and what a person decided about it.
        findings: by digest, one for every record.
        species: under which each digest was gathered.
        pairs: verified look-alikes, by the places of their digests, and how alike they are.
        recipe: says how.
        before: where images were in the dataset before, which `keep_splits` honours.
        inherited: what a network found of them in the dataset before.
        unmarked: of groups whose best has a watermark or caption on it: what is kept instead.

    Raises:
        SplitError: there are too few images for the splits or folds that are asked for.
    """
    verdicts = _verdicts(findings, species, pairs, review.kept, unmarked)
    judged = Spool.of(Row, _judged(review, findings, verdicts))
    del verdicts
    usual = traits(judged)
    there = {row.species for row in judged if row.kept} if inherited.rows else set()
    rows = inherited.into(with_sides(judged, recipe, before), there)
    return Spool.of(Row, with_suspicion(rows, usual))


def _in_order(records: Sequence[Record], digests: Digests) -> Iterator[tuple[int, list[Record]]]:
    """The records of every image, species by species, in the manifest's order.

    With them goes the place of their digest.
    """
    species: dict[str, int] = {}
    numbers, places = array("I"), array("I")
    for record in records:
        numbers.append(species.setdefault(record.species, len(species)))
        places.append(digests.place(record.sha256 or ""))
    rank = {name: nth for nth, name in enumerate(sorted(species))}
    ranks = np.asarray([rank[name] for name in species], np.int64)[np.asarray(numbers)]
    order = np.lexsort((places, ranks)).astype(np.int32)
    for _, same in itertools.groupby(order.tolist(), key=lambda nth: (numbers[nth], places[nth])):
        some = list(same)
        yield places[some[0]], sorted((records[nth] for nth in some), key=_place)


def _place(record: Record) -> tuple[object, ...]:
    return (record.candidate.address, record.source, record.query, record.rank)


def species_by_digest(records: Iterable[Record], digests: Digests) -> SpeciesByDigest:
    """Under which species each digest was gathered."""
    found = SpeciesByDigest(digests)
    for record in records:
        digest = record.sha256 or ""
        found[digest] = found.get(digest, frozenset()) | {record.species}
    return found


class _Verdicts:
    """What becomes of digests under their species: of most there is nothing to say."""

    def __init__(self, species: SpeciesByDigest) -> None:
        self._species = species
        self._first = array("I", bytes(4 * len(species.digests)))
        """One more than the number of each one's first verdict; 0 where it has none."""
        self._verdicts = Spool(_Verdict)

    def add(self, place: int, verdicts: Mapping[str, _Verdict]) -> None:
        """Take in what becomes of the digest at this place under each of its species."""
        self._first[place] = len(self._verdicts) + 1
        self._verdicts.extend(verdicts[name] for name in sorted(verdicts))

    def of(self, place: int, name: str) -> _Verdict:
        """What becomes of the digest at this place under a species."""
        first = self._first[place]
        names = sorted(self._species.at(place)) if first else []
        return self._verdicts[first - 1 + names.index(name)] if name in names else _ALONE


def _verdicts(
    findings: Findings,
    species: SpeciesByDigest,
    pairs: Pairs,
    kept: AbstractSet[tuple[str, str]],
    unmarked: Mapping[int, int],
) -> _Verdicts:
    """What becomes of usable digests under their species, but of those that stand alone."""
    verdicts = _Verdicts(species)
    contended = _Contended.of(findings, species, pairs, kept)
    instead = dict(zip(*map(contended.numbers, (unmarked, unmarked.values())), strict=True))
    for group, claims in contended.groups():
        ordered = _cleanest_first(group, instead)
        best = {name: contended.best(ordered, name) for name in claims.species}
        for number in ordered:
            made = {
                name: contended.verdict(number, best[name], name, ordered, claims)
                for name in contended.species[number]
            }
            verdicts.add(contended.places[number], made)
    return verdicts


def _cleanest_first(group: list[int], instead: Mapping[int, int]) -> list[int]:
    first = instead.get(group[0], group[0])
    return [first, *(number for number in group if number != first)]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Contended:
    """The usable pictures that resemble others, or that several species claim, by number."""

    findings: Findings
    places: Sequence[int]
    """Those of their digests, rising."""
    digests: Sequence[str]
    species: Sequence[AbstractSet[str]]
    standings: Standings
    pairs: Pairs
    kept: AbstractSet[tuple[str, str]]
    """Digests with the species under which a person keeps them."""

    @classmethod
    def of(
        cls,
        findings: Findings,
        species: SpeciesByDigest,
        pairs: Pairs,
        kept: AbstractSet[tuple[str, str]],
    ) -> _Contended:
        claimed = array("i", species.places(lambda names: len(names) > 1))
        usable = (not finding.reason for finding in findings.at(claimed))
        ends = (*pairs.columns[:2], np.fromiter(itertools.compress(claimed, usable), np.int32))
        found = np.unique(np.concatenate(ends))
        places = array("i", found.tobytes())
        digests = Selection(findings.digests, places)
        standings = (finding.standing for finding in findings.at(places))
        return cls(
            findings=findings,
            places=places,
            digests=digests,
            species=[species.at(place) for place in places],
            standings=Standings(digests, standings),
            pairs=pairs.among(found),
            kept=kept,
        )

    def numbers(self, places: Iterable[int]) -> list[int]:
        """The numbers of the pictures whose digests are at these places."""
        return [bisect.bisect_left(self.places, place) for place in places]

    def groups(self) -> Iterator[tuple[list[int], Claims]]:
        """The look-alikes, the best first, and who claims them."""
        line, home = self.standings.line, homes(self.standings, self.pairs)
        alike = contending(home, self.species, self.pairs)
        members = {group[0]: group for group in around(line, home) if group[0] in alike}
        for group in around(line, home):
            shown = [
                number for middle in alike.get(group[0], ()) for number in members[middle]
            ] or group
            claims = claims_of(((self.digests[one], self.species[one]) for one in shown), self.kept)
            yield group, claims

    def best(self, group: Sequence[int], name: str) -> int | None:
        """The picture that a species keeps: what a person kept, else the first of its."""
        own = [number for number in group if name in self.species[number]]
        return next((number for number in own if self._is_kept(number, name)), (*own, None)[0])

    def verdict(
        self, number: int, best: int | None, name: str, group: Sequence[int], claims: Claims
    ) -> _Verdict:
        """What becomes of a picture under a species."""
        likeness = None if best is None else self.pairs.likeness(number, best)
        group_name, reason = self._reason(number, best, name, group, claims)
        return _Verdict(
            group=group_name,
            reason=reason,
            likeness=None if likeness is None else round(likeness, 4),
        )

    def _reason(
        self, number: int, best: int | None, name: str, group: Sequence[int], claims: Claims
    ) -> tuple[str | None, str]:
        """The name of a picture's group, and why it is dropped: empty where it is kept."""
        owner = claims.owner
        if owner is None:
            others = ", ".join(sorted(claims.species - {name}))
            return claims.label[:_NAME_LENGTH], f"{reasons.CONFLICT}: also under {others}"
        label = self.digests[min(group)][:_NAME_LENGTH] if len(group) > 1 else None
        if name != owner:
            return label, f"{reasons.REVIEWED}: it shows {owner}"
        if best is None or number == best:
            return label, ""
        kept = self.digests[best][:_NAME_LENGTH]
        is_unmarked = group[0] == best and not self._is_kept(best, name)
        why = self._why(number, best, is_unmarked=is_unmarked)
        return label, f"{reasons.NEAR_DUPLICATE}: of {kept}, {why}"

    def _why(self, number: int, best: int, *, is_unmarked: bool) -> str:
        """Why another is kept, in words that follow its name."""
        one, other = (self.findings[self.digests[place]] for place in (number, best))
        if (one.file_sha256, one.width, one.height) == (
            other.file_sha256,
            other.width,
            other.height,
        ):
            return "of which the same picture is rendered"
        standing = self.standings[number]
        return standing.behind(self.standings[best], is_unmarked=is_unmarked)

    def _is_kept(self, number: int, name: str) -> bool:
        return (self.digests[number], name) in self.kept


def _row(record: Record, finding: Finding, review: Reviewed) -> Row:
    candidate, measures = record.candidate, finding.measures
    return Row(
        digest=finding.digest,
        species=record.species,
        reason=review.dropped.get(record.id, finding.reason),
        width=finding.width,
        height=finding.height,
        format=finding.format,
        bytes=finding.bytes,
        frames=finding.frames,
        phash=finding.phash,
        **(asdict(measures) if measures else {}),
        flags=finding.flags,
        review=review.marks.get(record.id, ""),
        file_sha256=finding.file_sha256,
        source=record.source,
        query=record.query,
        rank=record.rank,
        image_url=candidate.image_url,
        fetched_url=record.fetched_url,
        page_url=candidate.page_url,
        title=candidate.title,
        licence=candidate.licence,
        creator=candidate.creator,
    )


def _judged(review: Reviewed, findings: Findings, verdicts: _Verdicts) -> Iterator[Row]:
    """A row of every record, with its group and its reason; of equal bytes the first stands."""
    for place, records in _in_order(review.records, findings.digests):
        (finding,) = findings.at([place])
        verdict = verdicts.of(place, records[0].species)
        name = finding.digest[:_NAME_LENGTH]
        rows = [_row(record, finding, review) for record in records]
        usable = [row for row in rows if not row.reason]  # Neither unusable nor unwanted.
        group = verdict.group or (name if len(usable) > 1 else None)
        is_first = True
        for row in rows:
            if row.reason:
                yield row
                continue
            reason = verdict.reason or ("" if is_first else f"{reasons.DUPLICATE}: of {name}")
            is_first = False
            yield replace(
                row, group=group, reason=reason, kept=not reason, likeness=verdict.likeness
            )
