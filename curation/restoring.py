"""Restoring: a dataset made again elsewhere, of its manifest, its lock and the web's originals.

The manifest has every decision and every address, the lock vouches for the manifest, and an
original is the right one if its digest is. So nothing is decided anew: originals are
rendered by the recorded recipe, and what cannot be had any more is told row by row.
"""

from __future__ import annotations

import csv
import hashlib
import itertools
from collections import Counter, deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Literal

from curation import lock, reasons
from curation.building import THUMBNAILS, building_site, make_class_folders
from curation.dataset import MANIFEST, Dataset, Row, file_name, identity, write_manifest
from curation.errors import DatasetError, EmptyHarvestError, LockMismatchError
from curation.likeness import rendered_jpeg
from curation.recipe import SPLITS, CurationRecipe
from curation.report import write_report
from curation.searched import hand_on
from curation.versions import libraries_of
from scraper.harvest import Harvest, Record

FateWord = Literal["gone", "changed", "refused", "unreachable", "no address", "unreadable"]
_AHEAD = 4
_NAMED = 5
"""Lost originals that are named one by one."""
_COLUMNS = ("url", "species", "page_url", "title", "licence", "creator")


@dataclass(frozen=True, slots=True, kw_only=True)
class Locked:
    """A dataset that can be restored: what its manifest says, and that the lock agrees."""

    manifest: Dataset
    entry: lock.Entry


@dataclass(frozen=True, slots=True, kw_only=True)
class Lost:
    """An original that is not to be had, and why."""

    digest: str
    species: str
    url: str
    fate: FateWord
    """`gone`: its address has no image any more. `changed`: another one. `refused`: we may not,
    or will not, take it. `unreachable`: not for now. `no address`: it came from no web.
    `unreadable`: it is there, and cannot be decoded here."""
    detail: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendered:
    """One original was rendered, or was not there."""

    digest: str
    is_there: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Restored:
    """All is done."""

    dataset: Dataset
    lost: tuple[Lost, ...]
    otherwise: tuple[str, ...]
    """Digests whose pictures have other bytes here than they had, of the same originals."""
    is_as_locked: bool


def locked(source: Path, manifest: Path | None) -> Locked:
    """What is to be restored: of a dataset's folder, or of a lock file and a manifest.

    Raises:
        DatasetError: there is none of that, or the manifest cannot be used.
        LockMismatchError: the lock does not vouch for the manifest.
    """
    if manifest is None and not source.is_dir():
        raise DatasetError(
            f"{source} is no dataset's folder: name its manifest too, with --manifest"
        )
    path = manifest or source / MANIFEST
    vouching = lock.lock_path(source) if source.is_dir() else source
    found = Dataset.read(path)
    _require_sound(found.rows)
    known = identity(found.rows, found.recipe)
    for entry in lock.read_entries(vouching).values():
        if all(entry.get(key) == value for key, value in known.items()):
            return Locked(manifest=found, entry=entry)
    raise LockMismatchError(
        f"no entry of {vouching} is of the manifest {path}: take the two from one commit"
    )


def _require_sound(rows: Iterable[Row]) -> None:
    """A manifest from elsewhere decides where files are written: let it name no other place."""
    for row in rows:
        if row.kept and (row.split not in SPLITS or row.file != file_name(row, row.split)):
            raise DatasetError(f"the manifest has {row.digest[:12]} in a strange place: {row.file}")


def missing(rows: Iterable[Row], harvest: Harvest | None) -> list[Row]:
    """The kept rows whose originals a harvest has not, or has damaged."""
    return [row for row in rows if row.kept and not (harvest and _body(row.digest, harvest))]


def addresses(row: Row) -> list[str]:
    """Where a row's original may be had, the likelier first."""
    known = dict.fromkeys([row.image_url, row.fetched_url])
    return [address for address in known if address.startswith(("https://", "http://"))]


def write_list(path: Path, rows: Iterable[Row], *, turn: int) -> int:
    """Write the `turn`-th address of every row that has one as a list for `bestiary scrape`.

    Returns how many there are.
    """
    listed = [
        (known[turn], row.species, row.page_url, row.title, row.licence, row.creator)
        for row in rows
        if len(known := addresses(row)) > turn
    ]
    with path.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([_COLUMNS, *listed])
    return len(listed)


def lost(rows: Iterable[Row], harvest: Harvest) -> tuple[Lost, ...]:
    """What became of the rows that a harvest still lacks, after their addresses were asked."""
    records: dict[tuple[str, str], Record] = {
        (record.species, record.candidate.address): record for record in harvest.records()
    }
    return tuple(_lost(row, records) for row in rows)


def _lost(row: Row, records: dict[tuple[str, str], Record]) -> Lost:
    known = addresses(row)
    tried = [record for url in known if (record := records.get((row.species, url))) is not None]
    fate, detail = _fate(tried) if known else ("no address", "gathered from a folder")
    url = known[0] if known else row.image_url
    return Lost(digest=row.digest, species=row.species, url=url, fate=fate, detail=detail)


def _fate(tried: Sequence[Record]) -> tuple[FateWord, str]:
    """The most telling of what the addresses answered."""
    for record in tried:
        if record.state == "kept":
            return "changed", "another image is there now"
    for record in tried:
        if record.state == "skipped":
            return "refused", record.reason
    for record in tried:
        if record.state == "failed":
            return "gone", record.reason
    return "unreachable", next((record.reason for record in tried if record.reason), "not asked")


def restore(
    wanted: Locked, harvest: Harvest, root: Path, *, gone: Sequence[Lost], workers: int
) -> Iterator[Rendered | Restored]:
    """Make the dataset at `root` of the originals in a harvest; the last outcome is `Restored`.

    Before it comes one `Rendered` for every image that the dataset had. If all are there and
    are rendered as they were, the lock entry written is the old one, byte for byte.

    Raises:
        EmptyHarvestError: no original is there.
        DatasetError: `root` cannot be replaced.
        LockMismatchError: it would become another dataset than was wanted, and the lock beside
            it has the one that was: nothing is changed.
    """
    recipe, name = wanted.manifest.recipe, root.resolve().name
    digests = {row.digest: row for row in wanted.manifest.rows if row.kept}
    with building_site(root) as site:
        _make_folders(site, digests.values())
        made: dict[str, str | None] = {}
        for digest, sha256 in _in_threads(tuple(digests.values()), harvest, site, recipe, workers):
            made[digest] = sha256
            yield Rendered(digest=digest, is_there=sha256 is not None)
        rows = _with_results(wanted.manifest.rows, made, {one.digest: one for one in gone})
        if not any(row.kept for row in rows):
            raise EmptyHarvestError(f"not one original is to be had of {len(made)}: {_why(gone)}")
        found = identity(rows, recipe)
        missed = tuple(_missed(digests, made, gone))
        otherwise = tuple(
            digest for digest, new in made.items() if new not in {None, digests[digest].file_sha256}
        )
        is_as_locked = all(wanted.entry.get(key) == value for key, value in found.items())
        if not is_as_locked:
            _require_another(wanted, root, missed, otherwise)
        entry = wanted.entry if is_as_locked else {**found, "libraries": libraries_of(rows)}
        write_manifest(
            site / MANIFEST,
            rows,
            recipe,
            refused=wanted.manifest.refused,
            network=wanted.manifest.network,
        )
        hand_on(root, site)
        write_report(Dataset.open(site), name=name, lock_digest=lock.digest_of(entry))
    lock.write_entry(lock.lock_path(root), name, entry)
    yield Restored(
        dataset=Dataset.open(root),
        lost=missed,
        otherwise=otherwise,
        is_as_locked=is_as_locked,
    )


def _missed(
    wanted: Mapping[str, Row], made: Mapping[str, str | None], gone: Iterable[Lost]
) -> Iterator[Lost]:
    """Those of the wanted rows that were not made, and why."""
    known = {one.digest: one for one in gone}
    for digest, row in wanted.items():
        if made.get(digest) is None:
            yield known.get(digest) or Lost(
                digest=digest,
                species=row.species,
                url=row.image_url,
                fate="unreadable",
                detail="it is there, and cannot be decoded here",
            )


def _require_another(
    wanted: Locked, root: Path, missed: Sequence[Lost], otherwise: Sequence[str]
) -> None:
    """Refuse to put another dataset in place of the wanted one, and of what the lock says of it."""
    path = lock.lock_path(root)
    if lock.read_entry(path, root.resolve().name) != wanted.entry:
        return
    kept = sum(row.kept for row in wanted.manifest.rows)
    raise LockMismatchError(
        f"{in_words(missed, otherwise, kept)}. Nothing was changed, because {path} has the dataset"
        " that was wanted under this name: run the same command again later, or make one of what"
        f" there is under another, with --out {root}-in-part",
        document={
            "lost": [asdict(one) for one in missed],
            "rendered_otherwise": list(otherwise),
        },
    )


def in_words(missed: Sequence[Lost], otherwise: Sequence[str], wanted: int) -> str:
    """What a restored dataset lacks of so many images, and how it differs."""
    said = []
    if missed:
        some = "; ".join(f"{one.url}: {one.detail}" for one in missed[:_NAMED])
        said.append(f"{len(missed)} of {wanted} originals are lost ({_why(missed)}): {some}")
    if otherwise:
        said.append(
            f"{len(otherwise)} pictures have other bytes than they had, of the same originals:"
            " install the libraries that the lock names to have them again"
        )
    return ". ".join(said)


def _why(gone: Iterable[Lost]) -> str:
    counts = Counter(one.fate for one in gone)
    return ", ".join(f"{count} {fate}" for fate, count in counts.most_common()) or "no harvest"


def _make_folders(site: Path, rows: Iterable[Row]) -> None:
    (site / THUMBNAILS).mkdir()
    for split in SPLITS:
        (site / split).mkdir()
    make_class_folders(site, rows)


def _in_threads(
    rows: Sequence[Row], harvest: Harvest, site: Path, recipe: CurationRecipe, workers: int
) -> Iterator[tuple[str, str | None]]:
    """Digests and the digests of their rendered files, in order; None where there is none."""

    def one(row: Row) -> tuple[str, str | None]:
        body = _body(row.digest, harvest)
        jpeg = rendered_jpeg(body, recipe) if body else None
        if jpeg is None:
            return row.digest, None
        (site / str(row.file)).write_bytes(jpeg)
        return row.digest, hashlib.sha256(jpeg).hexdigest()

    waiting: deque[Future[tuple[str, str | None]]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="restore") as pool:
        todo = iter(rows)
        try:
            while True:
                room = workers * _AHEAD - len(waiting)
                waiting.extend(pool.submit(one, row) for row in itertools.islice(todo, room))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _body(digest: str, harvest: Harvest) -> bytes | None:
    """The original, if it is there and is the right one."""
    try:
        body = harvest.path(digest).read_bytes()
    except OSError:
        return None
    return body if hashlib.sha256(body).hexdigest() == digest else None


def _with_results(
    rows: Iterable[Row], made: dict[str, str | None], gone: dict[str, Lost]
) -> tuple[Row, ...]:
    return tuple(_with_result(row, made, gone) if row.kept else row for row in rows)


def _with_result(row: Row, made: dict[str, str | None], gone: dict[str, Lost]) -> Row:
    if (sha256 := made[row.digest]) is not None:
        return replace(row, file_sha256=sha256)
    lost_one = gone.get(row.digest)
    detail = f"{lost_one.fate}, {lost_one.detail}" if lost_one else "its original is not there"
    return replace(
        row,
        kept=False,
        split=None,
        fold=None,
        file=None,
        file_sha256=None,
        reason=f"{reasons.LOST}: {detail}",
    )
