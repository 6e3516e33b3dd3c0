"""The decision: of everything that was gathered, what is kept, and why the rest is not.

Pure: records, findings and look-alikes in, manifest rows out.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType

from curation import reasons
from curation.claims import Claims, Group, Likeness, claims_of
from curation.dataset import Row
from curation.findings import Finding
from curation.flags import traits
from curation.recipe import CurationRecipe
from curation.review import Reviewed
from curation.sides import NONE_BEFORE, Sides, with_sides
from curation.spool import Spool
from curation.stars import Pair, stars
from curation.suspicion import with_suspicion
from scraper.harvest import Record

_NAME_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    group: str | None
    reason: str
    likeness: float | None = None


_ALONE = _Verdict(group=None, reason="")
"""Of a picture that resembles no other, and that one species claims."""


def decide(
    review: Reviewed,
    findings: Mapping[str, Finding],
    pairs: Sequence[Likeness],
    recipe: CurationRecipe,
    before: Sides = NONE_BEFORE,
    *,
    unmarked: Mapping[str, str] = MappingProxyType({}),
) -> Sequence[Row]:
    """Make the manifest: one row per record, ordered by species, digest and address.

    Args:
        review: what the harvest kept, and what a person decided about it.
        findings: by digest, one for every record.
        pairs: digests of verified look-alikes, and how alike they are.
        recipe: says how.
        before: where images were in the dataset before, which `keep_splits` honours.
        unmarked: of groups whose best has a watermark or caption on it: what is kept instead.

    Raises:
        SplitError: there are too few images for the splits or folds that are asked for.
    """
    species = species_by_digest(review.standing)
    verdicts = _verdicts(species, findings, pairs, review.kept, unmarked)
    del species
    judged = Spool.of(Row, _judged(review, findings, verdicts))
    del verdicts
    usual = traits(judged)
    return Spool.of(Row, with_suspicion(with_sides(judged, recipe, before), usual))


def _in_order(records: Sequence[Record]) -> Iterator[list[Record]]:
    """The records of every image, species by species, in the manifest's order."""
    places: dict[str, list[tuple[str, int]]] = {}
    for place, record in enumerate(records):
        places.setdefault(record.species, []).append((_digest(record), place))
    for name in sorted(places):
        some = sorted(places.pop(name))
        for _, same in itertools.groupby(some, key=lambda found: found[0]):
            yield sorted((records[place] for _, place in same), key=_place)


def _place(record: Record) -> tuple[object, ...]:
    return (record.candidate.address, record.source, record.query, record.rank)


def _digest(record: Record) -> str:
    return record.sha256 or ""


def species_by_digest(records: Iterable[Record]) -> dict[str, frozenset[str]]:
    """Under which species each digest was gathered: those of equal species share a set."""
    shared: dict[frozenset[str], frozenset[str]] = {}
    found: dict[str, frozenset[str]] = {}
    for record in records:
        names = found.get(_digest(record), frozenset()) | {record.species}
        found[_digest(record)] = shared.setdefault(names, names)
    return found


def _verdicts(
    species: Mapping[str, AbstractSet[str]],
    findings: Mapping[str, Finding],
    pairs: Sequence[Likeness],
    kept: AbstractSet[tuple[str, str]],
    unmarked: Mapping[str, str],
) -> dict[tuple[str, str], _Verdict]:
    """What becomes of usable digests under their species, but of those that stand alone."""
    contended = {digest for digest, names in species.items() if len(names) > 1}
    contended |= {digest for a, b, _ in pairs for digest in (a, b)}
    usable = sorted(digest for digest in contended if not findings[digest].reason)
    place = {digest: number for number, digest in enumerate(usable)}
    numbered = [Pair(first=place[a], second=place[b], likeness=score) for a, b, score in pairs]
    grouped = stars([findings[digest].standing for digest in usable], numbered)
    groups = [_cleanest_first([usable[number] for number in group], unmarked) for group in grouped]
    claims = claims_of(groups, species, pairs, kept)
    alike = {(first, second): score for a, b, score in pairs for first, second in ((a, b), (b, a))}
    verdicts: dict[tuple[str, str], _Verdict] = {}
    for group in groups:
        best = {name: _best(group, name, species, kept) for name in claims[group[0]].species}
        for digest in group:
            for name in species[digest]:
                verdict = _verdict(digest, best[name], name, group, claims[group[0]])
                if verdict.reason.startswith(reasons.NEAR_DUPLICATE):
                    why = findings[digest].standing.behind(
                        findings[best[name] or ""].standing,
                        is_unmarked=(best[name], name) not in kept and group[0] == best[name],
                    )
                    verdict = replace(verdict, reason=f"{verdict.reason}, {why}")
                score = _rounded(alike.get((digest, best[name] or "")))
                verdicts[digest, name] = replace(verdict, likeness=score)
    return verdicts


def _cleanest_first(group: list[str], unmarked: Mapping[str, str]) -> list[str]:
    first = unmarked.get(group[0], group[0])
    return [first, *(digest for digest in group if digest != first)]


def _best(
    group: Group,
    name: str,
    species: Mapping[str, AbstractSet[str]],
    kept: AbstractSet[tuple[str, str]],
) -> str | None:
    """The picture of a group that a species keeps: what a person kept, else the first of its."""
    own = [digest for digest in group if name in species[digest]]
    return next((digest for digest in own if (digest, name) in kept), next(iter(own), None))


def _rounded(likeness: float | None) -> float | None:
    return None if likeness is None else round(likeness, 4)


def _verdict(digest: str, best: str | None, name: str, group: Group, claims: Claims) -> _Verdict:
    owner = claims.owner
    if owner is None:
        others = ", ".join(sorted(claims.species - {name}))
        reason = f"{reasons.CONFLICT}: also under {others}"
        return _Verdict(group=claims.label[:_NAME_LENGTH], reason=reason)
    label = min(group)[:_NAME_LENGTH] if len(group) > 1 else None
    if name != owner:
        return _Verdict(group=label, reason=f"{reasons.REVIEWED}: it shows {owner}")
    if digest != best:
        reason = f"{reasons.NEAR_DUPLICATE}: of {(best or '')[:_NAME_LENGTH]}"
        return _Verdict(group=label, reason=reason)
    return _Verdict(group=label, reason="")


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


def _judged(
    review: Reviewed,
    findings: Mapping[str, Finding],
    verdicts: Mapping[tuple[str, str], _Verdict],
) -> Iterator[Row]:
    """A row of every record, with its group and its reason; of equal bytes the first stands."""
    for records in _in_order(review.records):
        finding = findings[_digest(records[0])]
        verdict = verdicts.get((finding.digest, records[0].species), _ALONE)
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
