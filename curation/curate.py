"""The work: a harvest goes through inspection, comparison and decision, and is a dataset.

A generator of outcomes, so that whoever runs it can draw the progress. Images are read,
inspected and rendered by worker processes (`protected`), a few at a time, unless an earlier
run has done so (`store`). The result depends on neither.
"""

from __future__ import annotations

import os
import unicodedata
from array import array
from collections import Counter
from collections.abc import Generator, Iterable, Iterator, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, replace
from pathlib import Path

from curation import grouping, lock, reasons, shortages
from curation.audit import dropped_by_word
from curation.building import building_site, furnish
from curation.dataset import MANIFEST, Dataset, Row, identity, write_manifest
from curation.decide import SpeciesByDigest, decide, species_by_digest
from curation.digests import Digests
from curation.errors import DatasetError, EmptyHarvestError
from curation.findings import Findings, found
from curation.inherited import Inherited, inherited_from
from curation.judging import Judge
from curation.lookalikes import Album
from curation.looking import Seen
from curation.memory import give_back
from curation.pairs import Pair, Pairs
from curation.recalled import recalled
from curation.recipe import CurationRecipe
from curation.report import write_report
from curation.review import Decision, Reviewed, reviewed
from curation.searched import hand_on, is_outdated
from curation.seeing import Eyes, seen_by
from curation.sides import NONE_BEFORE, Sides, sides_of
from curation.spool import Selection, Spool
from curation.stars import Compared, Standings
from curation.store import Store
from curation.study_split import split_libraries
from curation.suspicion import looked_at
from curation.versions import libraries_of
from scraper.harvest import Harvest, Record

_BY_CHANCE = frozenset({reasons.CRASHED, reasons.TOO_SLOW, reasons.TOO_MUCH_MEMORY})
"""Reasons that the machine has a part in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Looked:
    """One image was inspected; `reason` is empty when it can be used."""

    digest: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Curated:
    """All is done."""

    dataset: Dataset
    warnings: tuple[str, ...]


def curate(
    harvest: Harvest,
    root: Path,
    *,
    recipe: CurationRecipe,
    workers: int | Eyes,
    is_fresh: bool = False,
    before: Sides | None = None,
    decisions: Sequence[Decision] = (),
) -> Iterator[Looked | Compared | Curated]:
    """Make the dataset at `root` of a harvest; the last outcome is `Curated`.

    Before it come one `Looked` for every digest, and then `Compared` where any were suggested.

    Until then whatever was at `root` stays as it was. `workers` is how many processes look at
    images; what earlier runs saw is taken over unless `is_fresh`. `before` says where images
    were, for a recipe that keeps splits; it is the dataset at `root` unless given. `decisions`
    are a person's (`curation.review`). What a network found in the dataset at `root` goes on
    with pictures that stay the same (`curation.inherited`).

    Raises:
        UsageError: the decisions contradict each other.
        EmptyHarvestError: the harvest has no image, or none that can be used.
        SplitError: there are too few images, or groups of them, for what is asked for.
        DatasetError: `root` cannot be replaced.
        LockMismatchError: the lock beside `root` cannot be read.
    """
    review = reviewed(_records(harvest), tuple(decisions))
    _require_distinct({record.species for record in review.records})
    name = root.resolve().name
    lock.read_entry(lock.lock_path(root), name)  # A lock that cannot be read is told at once.
    before = before or _sides_before(root, recipe)
    eyes = workers if isinstance(workers, Eyes) else Eyes(count=workers)
    warnings = review.warnings
    with (
        building_site(root) as site,
        Store.beside(root, recipe, otherwise=site / ".inspected", fresh=is_fresh) as store,
    ):
        inherited = inherited_from(root)
        originals = _Originals(harvest=harvest, store=store, eyes=eyes)
        rows = yield from _decided(originals, review, recipe, before, inherited)
        _require_some(rows, harvest)
        shortages.require_all_splits(rows, recipe)
        give_back()
        versions = {**libraries_of(rows), **split_libraries(recipe)}
        entry = {**identity(rows, recipe), "libraries": versions}
        furnish(site, rows, store.rendered)
        refused = harvest.reasons()
        give_back()
        network = inherited.network if inherited.rows and looked_at(rows)[0] else ""
        write_manifest(site / MANIFEST, rows, recipe, refused=refused, network=network)
        give_back()
        grown = Dataset(root=site, recipe=recipe, rows=rows, refused=refused, network=network)
        hand_on(root, site)
        write_report(grown, name=name, lock_digest=lock.digest_of(entry))
        store.forget_all_but(Digests.of(row.digest for row in rows))
    lock.write_entry(lock.lock_path(root), name, entry)
    dataset = replace(grown, root=root)
    yield Curated(dataset=dataset, warnings=(*warnings, *_warnings(dataset, harvest)))


@dataclass(frozen=True, slots=True, kw_only=True)
class _Originals:
    """Where originals come from, who looks at them, and where what is seen is kept."""

    harvest: Harvest
    store: Store
    eyes: Eyes

    def seen(self, digests: Iterable[str], recipe: CurationRecipe) -> Iterator[Seen]:
        return seen_by(self.eyes, digests, self.store, recipe, self.harvest.path)


def _decided(
    originals: _Originals,
    review: Reviewed,
    recipe: CurationRecipe,
    before: Sides,
    inherited: Inherited,
) -> Generator[Looked | Compared, None, Sequence[Row]]:
    """Look at every original, compare and decide; what is known for that alone goes with it."""
    digests = Digests.of(record.sha256 or "" for record in review.records)
    species = species_by_digest(review.standing, digests)
    findings, in_album = Findings(digests), array("I")
    pairs = Pairs()
    unmarked: dict[int, int] = {}
    album = Album()
    plain: dict[str | None, list[int]] = {}
    judge = Judge.of(review, species, recipe)
    for place, seen in enumerate(originals.seen(digests, recipe)):
        finding = judge.judged(found(seen))
        findings.add(finding)
        if seen.signature is not None and not finding.reason:
            album.add(seen.signature)
            in_album.append(place)
        elif not finding.reason:
            plain.setdefault(finding.file_sha256, []).append(place)
        yield Looked(digest=finding.digest, reason=finding.reason)
    give_back()
    compared = _compared(
        originals.store, album, in_album, findings, species, recipe=recipe, apart=review.apart
    )
    for outcome in compared:
        pairs.extend(
            replace(pair, first=in_album[pair.first], second=in_album[pair.second])
            for pair in outcome.pairs
        )
        unmarked |= {in_album[one]: in_album[other] for one, other in outcome.unmarked.items()}
        yield outcome
    pairs.extend(
        pair
        for pair in _of_the_same_pixels(plain.values(), findings)
        if (digests[pair.first], digests[pair.second]) not in review.apart
    )
    del album  # What is compared takes most of the room for temporary files.
    give_back()
    return decide(
        review,
        findings,
        species,
        pairs,
        recipe,
        before=before,
        inherited=inherited,
        unmarked=unmarked,
    )


def _of_the_same_pixels(groups: Iterable[Sequence[int]], findings: Findings) -> Iterator[Pair]:
    """Pictures without features, which are copies where they are rendered to the same bytes."""
    for places in groups:
        if len(places) > 1:
            ranked = zip(findings.at(places), places, strict=True)
            (_, best), *others = sorted((finding.standing.rank, place) for finding, place in ranked)
            for _, other in others:
                yield Pair(first=min(best, other), second=max(best, other), likeness=1.0)


def _sides_before(root: Path, recipe: CurationRecipe) -> Sides:
    if not recipe.keep_splits or not (root / MANIFEST).exists():
        return NONE_BEFORE
    return sides_of(Dataset.open(root).rows)


def _records(harvest: Harvest) -> Sequence[Record]:
    records = Spool.of(Record, harvest.records("kept"))
    if not len(records):
        raise EmptyHarvestError(
            f"the harvest at {harvest.root} has no image yet: gather some with `bestiary scrape`"
        )
    return records


def _require_distinct(species: Iterable[str]) -> None:
    """Refuse names that are one folder where case and composition of letters do not count."""
    known: dict[str, str] = {}
    for name in sorted(species):
        other = known.setdefault(unicodedata.normalize("NFC", name).casefold(), name)
        if other != name:
            raise DatasetError(
                f"the harvest has both {other!r} and {name!r}, which many systems take for one"
                " folder: gather them under one name, after `bestiary forget --species` of one"
            )


def _compared(
    store: Store,
    album: Album,
    in_album: Sequence[int],
    findings: Findings,
    species: SpeciesByDigest,
    *,
    recipe: CurationRecipe,
    apart: AbstractSet[tuple[str, str]],
) -> Iterator[Compared]:
    """Compare the pictures of the album, of which the digests are at those places."""
    digests = Selection(findings.digests, in_album)
    named = {digest for pair in apart for digest in pair}
    number = {digest: nth for nth, digest in enumerate(digests) if digest in named}
    return recalled(
        store,
        album,
        recipe,
        Standings(digests, (finding.standing for finding in findings.at(in_album))),
        [species.at(place) for place in in_album],
        apart={(number[one], number[two]) for one, two in apart if {one, two} <= number.keys()},
    )


def _require_some(rows: Sequence[Row], harvest: Harvest) -> None:
    if any(row.kept for row in rows):
        return
    why = dropped_by_word(rows)
    listed = ", ".join(f"{count} {word}" for word, count in why.items())
    unread = _unread(rows)
    raise EmptyHarvestError(
        f"no image of the harvest at {harvest.root} can be used ({listed}):"
        f" gather others with `bestiary scrape`{f'; not read here: {unread}' if unread else ''}",
        document={"dropped": why},
    )


def _unread(rows: Iterable[Row]) -> str:
    """What there is no decoder for, how often, and where there is one."""
    unread = {
        row.digest: row.reason for row in rows if reasons.word(row.reason) == reasons.UNSUPPORTED
    }
    found = Counter(unread.values())
    kinds = ((count, reason.partition(": ")[2]) for reason, count in found.most_common())
    return ", ".join(f"{count} × {kind}" for count, kind in kinds if kind)


def _warnings(dataset: Dataset, harvest: Harvest) -> Iterator[str]:
    given_up, changed = set[str](), 0
    if unread := _unread(dataset.rows):
        yield f"images that are not read here: {unread}"
    for row in dataset.rows:
        if reasons.word(row.reason) in _BY_CHANCE:
            given_up.add(row.digest)
        changed += _is_changed(row, harvest)
    if given_up:
        yield (
            f"images that crashed their decoder, or took too long or too much memory:"
            f" {len(given_up)}; on another machine they may be kept"
        )
    if changed:
        yield (
            f"originals that are gone from the harvest, or have another size than when they were"
            f" looked at: {changed}; what was seen then was used (`bestiary curate --fresh` looks"
            " anew, `bestiary verify --harvest` names them)"
        )
    if lost := sorted(set(harvest.species()) - set(dataset.species)):
        yield f"no image is left of {', '.join(lost)}: gather more with `bestiary scrape`"
    if len(dataset.species) == 1:
        yield f"there is one species only, {dataset.species[0]}: a classifier needs two"
    yield from shortages.warnings(dataset.rows, dataset.recipe)
    yield from grouping.warnings(dataset.rows, dataset.recipe.group_by)
    yield from _outdated(dataset)


def _outdated(dataset: Dataset) -> Iterator[str]:
    """What was found out about the dataset before, and not about this one."""
    looked, kept = looked_at(dataset.rows)
    if 0 < looked < kept:
        yield (
            f"no network has looked at {kept - looked} of the {kept} pictures for outliers and"
            " wrong labels: `bestiary suspect` looks at all of them"
        )
    if is_outdated(dataset.root, dataset.lock_digest):
        yield (
            "the search for leaks is outdated, it was of another version of this dataset:"
            " search again with `bestiary audit`"
        )


def _is_changed(row: Row, harvest: Harvest) -> bool:
    """Whether an original is not what was looked at, as far as its size tells."""
    if row.bytes is None or reasons.word(row.reason) in {reasons.MISSING, reasons.DAMAGED}:
        return False
    try:
        return harvest.path(row.digest).stat().st_size != row.bytes
    except OSError:
        return True


def default_workers() -> int:
    """One thread per processor that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it.
    return len(affinity(0)) if affinity else os.cpu_count() or 1
