"""The decision: of everything that was gathered, what is kept, and why the rest is not.

Pure: records, findings and look-alikes in, manifest rows out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace

from curation import reasons
from curation.dataset import Row
from curation.quality import Measures
from curation.recipe import CurationRecipe
from curation.sides import NONE_BEFORE, Sides, with_sides
from curation.stars import Pair, Standing, stars
from scraper.harvest import Record

_NAME_LENGTH = 12


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """What inspection found out about the bytes of one digest; nothing large."""

    digest: str
    reason: str = ""
    """Why it cannot be used; empty when it can."""
    width: int | None = None
    height: int | None = None
    format: str = ""
    bytes: int | None = None
    frames: int | None = None
    phash: str | None = None
    measures: Measures | None = None
    file_sha256: str | None = None
    inner_share: float = 1.0
    """Share of the picture's area within its uniform border."""

    @property
    def standing(self) -> Standing:
        """Its place among look-alikes."""
        pixels = round((self.width or 0) * (self.height or 0) * self.inner_share)
        return Standing(digest=self.digest, pixels=pixels, bytes=self.bytes or 0)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Verdict:
    group: str | None
    reason: str
    likeness: float | None = None


def decide(
    records: Iterable[Record],
    findings: Mapping[str, Finding],
    pairs: Sequence[tuple[str, str, float]],
    recipe: CurationRecipe,
    before: Sides = NONE_BEFORE,
) -> tuple[Row, ...]:
    """Make the manifest: one row per record, ordered by species, digest and address.

    Args:
        records: what the harvest kept.
        findings: by digest, one for every record.
        pairs: digests of verified look-alikes, and how alike they are.
        recipe: says how.
        before: where images were in the dataset before, which `keep_splits` honours.

    Raises:
        SplitError: there are too few images for the splits or folds that are asked for.
    """
    ordered = sorted(records, key=_place)
    verdicts = _verdicts(species_by_digest(ordered), findings, pairs)
    rows = [_row(record, findings[_digest(record)]) for record in ordered]
    return with_sides(_judged(rows, verdicts), recipe, before)


def _place(record: Record) -> tuple[object, ...]:
    candidate = record.candidate
    return (
        *(record.species, _digest(record), candidate.address),
        *(record.source, record.query, record.rank),
    )


def _digest(record: Record) -> str:
    return record.sha256 or ""


def species_by_digest(records: Iterable[Record]) -> dict[str, set[str]]:
    """Under which species each digest was gathered."""
    found: dict[str, set[str]] = {}
    for record in records:
        found.setdefault(_digest(record), set()).add(record.species)
    return found


def _verdicts(
    species: Mapping[str, set[str]],
    findings: Mapping[str, Finding],
    pairs: Sequence[tuple[str, str, float]],
) -> dict[str, dict[str, _Verdict]]:
    """What becomes of each usable digest, under each species that it was gathered for."""
    usable = sorted(digest for digest in species if not findings[digest].reason)
    place = {digest: number for number, digest in enumerate(usable)}
    numbered = [Pair(first=place[a], second=place[b], likeness=score) for a, b, score in pairs]
    grouped = stars([findings[digest].standing for digest in usable], numbered)
    groups = [[usable[number] for number in group] for group in grouped]
    claims = _claims(groups, species, pairs)
    alike = {(first, second): score for a, b, score in pairs for first, second in ((a, b), (b, a))}
    return {
        digest: {
            name: replace(
                _verdict(digest, name, group, claims[group[0]]),
                likeness=_rounded(alike.get((digest, group[0]))),
            )
            for name in species[digest]
        }
        for group in groups
        for digest in group
    }


def _rounded(likeness: float | None) -> float | None:
    return None if likeness is None else round(likeness, 4)


def _claims(
    groups: Sequence[Sequence[str]],
    species: Mapping[str, set[str]],
    pairs: Iterable[tuple[str, str, float]],
) -> dict[str, set[str]]:
    """Every species that claims a group, by its kept digest.

    A look-alike in another group counts too: the groups then show one picture, of which
    only a copy in between was found to resemble both.
    """
    kept_by = {digest: group[0] for group in groups for digest in group}
    claims = {group[0]: set().union(*(species[digest] for digest in group)) for group in groups}
    across = [
        (kept_by[a], kept_by[b])
        for a, b, _ in pairs
        if kept_by[a] != kept_by[b] and species[a] != species[b]
    ]
    further = [
        (one, claims[other] | claims[one]) for a, b in across for one, other in ((a, b), (b, a))
    ]
    for one, names in further:
        claims[one] = claims[one] | names
    return claims


def _verdict(digest: str, name: str, group: Sequence[str], claims: set[str]) -> _Verdict:
    label = min(group)[:_NAME_LENGTH] if len(group) > 1 else None
    others = sorted(claims - {name})
    if others:
        reason = f"{reasons.CONFLICT}: also under {', '.join(others)}"
        return _Verdict(group=min(group)[:_NAME_LENGTH], reason=reason)
    if digest != group[0]:
        reason = f"{reasons.NEAR_DUPLICATE}: of {group[0][:_NAME_LENGTH]}"
        return _Verdict(group=label, reason=reason)
    return _Verdict(group=label, reason="")


def _row(record: Record, finding: Finding) -> Row:
    candidate, measures = record.candidate, finding.measures
    return Row(
        digest=finding.digest,
        species=record.species,
        reason=finding.reason,
        width=finding.width,
        height=finding.height,
        format=finding.format,
        bytes=finding.bytes,
        frames=finding.frames,
        phash=finding.phash,
        **(asdict(measures) if measures else {}),
        file_sha256=finding.file_sha256,
        source=record.source,
        query=record.query,
        rank=record.rank,
        image_url=candidate.image_url,
        page_url=candidate.page_url,
        title=candidate.title,
        licence=candidate.licence,
        creator=candidate.creator,
    )


def _judged(rows: Iterable[Row], verdicts: Mapping[str, Mapping[str, _Verdict]]) -> list[Row]:
    """Give every row its group and its reason; of equal bytes the first row stands."""
    judged: list[Row] = []
    place: dict[tuple[str, str], int] = {}
    for row in rows:
        verdict = verdicts.get(row.digest, {}).get(row.species)
        if verdict is None:  # Unusable: the reason is there already.
            judged.append(row)
            continue
        first = place.setdefault((row.species, row.digest), len(judged))
        reason, group = verdict.reason, verdict.group
        if first != len(judged):
            group = group or row.digest[:_NAME_LENGTH]
            judged[first] = replace(judged[first], group=group)
            reason = reason or f"{reasons.DUPLICATE}: of {row.digest[:_NAME_LENGTH]}"
        judged.append(
            replace(row, group=group, reason=reason, kept=not reason, likeness=verdict.likeness)
        )
    return judged
