"""The work: a harvest goes through inspection, comparison and decision, and is a dataset.

A generator of outcomes, so that whoever runs it can draw the progress. Images are read,
inspected and written by threads (Pillow and numpy let go of Python's lock), a few at a
time; none is held longer than that. The result does not depend on how many threads.
"""

from __future__ import annotations

import hashlib
import itertools
import os
import unicodedata
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, features

from curation import lock, reasons
from curation.audit import dropped_by_word
from curation.building import THUMBNAILS, building_site
from curation.dataset import MANIFEST, Dataset, Row, identity, write_manifest
from curation.decide import Finding, decide, species_by_digest
from curation.decode import Header
from curation.errors import DatasetError, EmptyHarvestError
from curation.inspect import Dropped, Inspected, inspect
from curation.lookalikes import Album
from curation.recipe import SPLITS, CurationRecipe
from curation.report import write_report
from curation.sides import NONE_BEFORE, Sides, sides_of
from curation.signature import Signature
from curation.stars import Compared
from scraper.harvest import Harvest, Record

_AHEAD = 4
"""Images in flight per worker."""
_RENDERED = ".rendered"
_THUMBNAIL_PX = 96
_MAX_THUMBNAILS = 600
"""Of dropped look-alikes, which the report shows."""


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
    workers: int,
    before: Sides | None = None,
) -> Iterator[Looked | Compared | Curated]:
    """Make the dataset at `root` of a harvest; the last outcome is `Curated`.

    Before it come one `Looked` for every digest, and then `Compared` where any were suggested.

    Until then whatever was at `root` stays as it was. `before` says where images were, for a
    recipe that keeps splits; it is the dataset at `root` unless given.

    Raises:
        EmptyHarvestError: the harvest has no image, or none that can be used.
        SplitError: there are too few images for the splits or folds that are asked for.
        DatasetError: `root` cannot be replaced.
        LockMismatchError: the lock beside `root` cannot be read.
    """
    records = _records(harvest)
    name = root.absolute().name
    lock.read_entry(lock.lock_path(root), name)  # A lock that cannot be read is told at once.
    before = before or _sides_before(root, recipe)
    with building_site(root) as site, Album() as album:
        (site / _RENDERED).mkdir()
        digests = sorted({record.sha256 or "" for record in records})
        findings: dict[str, Finding] = {}
        in_album: list[str] = []
        for finding, signature in _inspected(digests, harvest, site / _RENDERED, recipe, workers):
            findings[finding.digest] = finding
            if signature is not None:
                album.add(signature)
                in_album.append(finding.digest)
            yield Looked(digest=finding.digest, reason=finding.reason)
        pairs: list[tuple[str, str, float]] = []
        for outcome in _compared(album, in_album, findings, records, recipe):
            pairs += (
                (in_album[pair.first], in_album[pair.second], pair.likeness)
                for pair in outcome.pairs
            )
            yield outcome
        rows = decide(records, findings, pairs, recipe, before)
        _require_some(rows, harvest)
        entry = {**identity(rows, recipe), "libraries": _libraries()}
        _furnish(site, rows)
        write_manifest(site / MANIFEST, rows, recipe, refused=harvest.reasons())
        write_report(Dataset.open(site), name=name, lock_digest=lock.digest_of(entry))
    lock.write_entry(lock.lock_path(root), name, entry)
    dataset = Dataset.open(root)
    yield Curated(dataset=dataset, warnings=tuple(_warnings(dataset, harvest)))


def _sides_before(root: Path, recipe: CurationRecipe) -> Sides:
    if not recipe.keep_splits or not (root / MANIFEST).exists():
        return NONE_BEFORE
    return sides_of(Dataset.open(root).rows)


def _records(harvest: Harvest) -> list[Record]:
    records = list(harvest.records("kept"))
    if not records:
        raise EmptyHarvestError(
            f"the harvest at {harvest.root} has no image yet: gather some with `bestiary scrape`"
        )
    _require_distinct({record.species for record in records})
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


def _inspected(
    digests: Iterable[str], harvest: Harvest, folder: Path, recipe: CurationRecipe, workers: int
) -> Iterator[tuple[Finding, Signature | None]]:
    """Findings in the order of the digests, with at most a few images per worker in flight."""

    def look(digest: str) -> tuple[Finding, Signature | None]:
        return _look(digest, harvest.path(digest), folder, recipe)

    waiting: deque[Future[tuple[Finding, Signature | None]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="inspect") as pool:
        todo = iter(digests)
        try:
            while True:
                room = workers * _AHEAD - len(waiting)
                waiting.extend(pool.submit(look, digest) for digest in itertools.islice(todo, room))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _compared(
    album: Album,
    in_album: Sequence[str],
    findings: Mapping[str, Finding],
    records: Iterable[Record],
    recipe: CurationRecipe,
) -> Iterator[Compared]:
    species = species_by_digest(records)
    return album.star_pairs(
        recipe,
        [findings[digest].standing for digest in in_album],
        [species[digest] for digest in in_album],
    )


def _look(
    digest: str, path: Path, folder: Path, recipe: CurationRecipe
) -> tuple[Finding, Signature | None]:
    try:
        body = path.read_bytes()
    except OSError:
        return Finding(digest=digest, reason=reasons.MISSING), None
    if hashlib.sha256(body).hexdigest() != digest:
        return Finding(digest=digest, reason=reasons.DAMAGED, bytes=len(body)), None
    result = inspect(body, recipe)
    if isinstance(result, Dropped):
        return _dropped(digest, len(body), result), None
    (folder / f"{digest}.jpg").write_bytes(result.jpeg)
    return _usable(digest, len(body), result), result.signature


def _dropped(digest: str, size: int, result: Dropped) -> Finding:
    header = result.header or Header(format="", width=0, height=0, orientation=1, frames=0)
    return Finding(
        digest=digest,
        reason=result.reason,
        width=header.width or None,
        height=header.height or None,
        format=header.format,
        bytes=size,
        frames=header.frames or None,
    )


def _usable(digest: str, size: int, result: Inspected) -> Finding:
    left, top, right, bottom = result.signature.inner if result.signature else (0, 0, 1, 1)
    return Finding(
        digest=digest,
        width=result.header.width,
        height=result.header.height,
        format=result.header.format,
        bytes=size,
        frames=result.header.frames,
        phash=result.phash,
        measures=result.measures,
        file_sha256=hashlib.sha256(result.jpeg).hexdigest(),
        inner_share=(right - left) * (bottom - top),
    )


def _require_some(rows: Iterable[Row], harvest: Harvest) -> None:
    rows = list(rows)
    if any(row.kept for row in rows):
        return
    why = dropped_by_word(rows)
    listed = ", ".join(f"{count} {word}" for word, count in why.items())
    raise EmptyHarvestError(
        f"no image of the harvest at {harvest.root} can be used ({listed}):"
        " gather others with `bestiary scrape`",
        document={"dropped": why},
    )


def _furnish(site: Path, rows: Iterable[Row]) -> None:
    """Put every rendered file in its place below `site`, and away what was dropped."""
    rendered = site / _RENDERED
    for name in SPLITS:
        (site / name).mkdir()
    for row in rows:
        if row.file is not None:
            (site / row.file).parent.mkdir(exist_ok=True)
            (rendered / f"{row.digest}.jpg").rename(site / row.file)
    _keep_thumbnails(rendered, site / THUMBNAILS, rows)
    for path in rendered.iterdir():
        path.unlink()
    rendered.rmdir()


def _keep_thumbnails(rendered: Path, folder: Path, rows: Iterable[Row]) -> None:
    """Save small pictures of dropped look-alikes, conflicts first, up to a number."""
    folder.mkdir()
    alike = {
        (not row.reason.startswith(reasons.CONFLICT), row.digest)
        for row in rows
        if row.group and not row.kept
    }
    for _, digest in sorted(alike)[:_MAX_THUMBNAILS]:
        source = rendered / f"{digest}.jpg"
        if source.exists():
            with Image.open(source) as image:
                image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
                image.save(folder / f"{digest}.jpg", quality=80)


def _libraries() -> dict[str, str]:
    """Versions of what shapes pixels and hashes."""
    versions = {"numpy": np.__version__, "pillow": features.version("pil")}
    for name in ("libjpeg_turbo", "webp", "avif", "littlecms2"):
        versions[name] = features.version(name)
    return {name: str(version or "") for name, version in versions.items()}


def _warnings(dataset: Dataset, harvest: Harvest) -> Iterator[str]:
    gathered = {record.species for record in harvest.records()}
    if lost := sorted(gathered - set(dataset.species)):
        yield f"no image is left of {', '.join(lost)}: gather more with `bestiary scrape`"
    if len(dataset.species) == 1:
        yield f"there is one species only, {dataset.species[0]}: a classifier needs two"
    for name in ("val", "test"):
        share = dataset.recipe.splits[SPLITS.index(name)]
        missing = sorted(set(dataset.species) - {row.species for row in dataset.images(name)})
        if share > 0 and missing:
            yield f"too few images for {name} of {', '.join(missing)}"


def default_workers() -> int:
    """One thread per processor that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)  # Linux alone has it.
    return len(affinity(0)) if affinity else os.cpu_count() or 1
