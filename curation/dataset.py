"""The dataset: what curation writes, and what training and anyone else reads.

DATASET/train/<species>/<digest>.jpg   (val/…, test/… likewise)
DATASET/manifest.parquet               one row per kept record of the harvest
DATASET/report.html                    for a person
DATASET/leaks.json                     what the last search for leaks found, if there was one
datasets.lock                          beside DATASET, with an entry of its name
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import itertools
import json
import os
import re
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path
from typing import Any, Self

import pyarrow as pa
import pyarrow.parquet as pq

from curation import lock
from curation.digests import Digests
from curation.errors import DatasetError, LockMismatchError
from curation.recipe import SPLITS, CurationRecipe, Split
from curation.spool import Lines, Spool

MANIFEST = "manifest.parquet"
REPORT = "report.html"
LEAKS = "leaks.json"
MANIFEST_VERSION = 2
_METADATA_KEY = b"bestiary"
_LITTER = frozenset({".DS_Store", ".localized", ".directory", "Thumbs.db", "desktop.ini"})
_AT_ONCE = 128
"""Rows that are read and written together: bounds memory."""
_GROUP = 4096
"""Rows of one row group of the manifest."""
_UNSAFE = re.compile(r"""^[. ]|[. ]$|[\x00-\x1f\x7f<>:"/\\|?*%]""")
"""What a folder's name may not hold, or not there, on one system or another."""
_SHA256 = re.compile("[0-9a-f]{64}")
_SPLIT_FOLDERS = tuple(f"{name}/" for name in SPLITS)
_NAMED = 3
"""Differences that a message names."""
_LOST = ("missing", "corrupt")
_WORST_FIRST = (*_LOST, "manifest", "lock", "torn", "changed", "unlisted", "re-encoded")
"""The kinds of differences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """One image that was gathered: what it is, what became of it, and where it came from."""

    digest: str
    """SHA-256 of the original bytes."""
    species: str
    split: Split | None = None
    """None when dropped."""
    fold: int | None = None
    """In which round of a cross-validation it is tested, from 0; None without folds, or dropped."""
    group: str | None = None
    """Name of its look-alike group: the beginning of the group's smallest digest."""
    kept: bool = False
    reason: str = ""
    """Why it was dropped (see `curation.reasons`); empty when kept."""
    likeness: float | None = None
    """To the best picture of its look-alike group, once aligned, 0 to 1; None of that one, and
    where the two were never compared."""
    width: int | None = None
    """Pixels, upright; None when the file could not be read."""
    height: int | None = None
    format: str = ""
    bytes: int | None = None
    frames: int | None = None
    """More than 1 in an animation, of which the first frame is taken."""
    phash: str | None = None
    """64-bit perceptual hash, upright, in hexadecimal; within 4 bits of `imagehash.phash`."""
    brightness: float | None = None
    """This and the next nine: see `curation.quality.Measures`."""
    contrast: float | None = None
    darkest: float | None = None
    brightest: float | None = None
    sharpness: float | None = None
    entropy: float | None = None
    colour: float | None = None
    drawn: float | None = None
    text: float | None = None
    seam: float | None = None
    flags: str = ""
    """What may be wrong with the picture (see `curation.flags`): sorted words, comma-joined."""
    review: str = ""
    """What a person decided about it (see `curation.review`); empty where nobody did."""
    outlier: float | None = None
    """How unlike all others of its species, 0 to 1; None until `bestiary suspect` looked."""
    label_doubt: float | None = None
    """How surely it shows another species, 0 to 1; None until `bestiary suspect` looked."""
    likely_species: str | None = None
    """What it seems to show instead, where that is in doubt."""
    suspicion: float | None = None
    """How much a person should look at it, 0 to 1 (see `curation.suspicion`)."""
    suspicion_reasons: str = ""
    """Why, worst first, comma-joined."""
    file: str | None = None
    """Path of the rendered file below the dataset, with forward slashes; None when dropped."""
    file_sha256: str | None = None
    source: str = ""
    query: str = ""
    rank: int = 0
    image_url: str = ""
    fetched_url: str = ""
    """Where the bytes came from, where that was not `image_url` itself."""
    page_url: str = ""
    title: str = ""
    licence: str = ""
    creator: str = ""


_FLOATS = (
    *("likeness", "brightness", "contrast", "darkest", "brightest", "sharpness"),
    *("entropy", "colour", "drawn", "text", "seam"),
    *("outlier", "label_doubt", "suspicion"),
)
_INTEGERS = ("fold", "width", "height", "bytes", "frames", "rank")
_HINTS = ("likely_species", "suspicion_reasons")
IDENTITY = tuple(field.name for field in fields(Row) if field.name not in {*_FLOATS, *_HINTS})
"""The columns that `rows_sha256` covers: all but measures in floating point, and what was
made of them for a person to look at, which decides nothing."""

SCHEMA = pa.schema(
    [
        pa.field(
            field.name,
            pa.bool_()
            if field.name == "kept"
            else pa.float64()
            if field.name in _FLOATS
            else pa.int64()
            if field.name in _INTEGERS
            else pa.string(),
        )
        for field in fields(Row)
    ]
)


def _record_in(schema: pa.Schema) -> dict[str, Any]:
    """What the manifest says of itself."""
    text = (schema.metadata or {}).get(_METADATA_KEY)
    if text is None:
        raise ValueError("it is no manifest of Bestiary's")
    record: dict[str, Any] = json.loads(text)
    if record.get("version") != MANIFEST_VERSION:
        found = record.get("version")
        raise ValueError(f"its columns are of version {found}, and here is {MANIFEST_VERSION}")
    return record


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """One place where a dataset is not what its lock says."""

    path: str
    kind: str
    """Of a file: `missing`; `corrupt`, no picture or another one; `re-encoded`, the same picture
    in other bytes; `changed`, where that could not be told; `unlisted`. Of the record:
    `manifest` and `lock`, which differ or cannot be read; `torn`, a group in several splits."""
    detail: str


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """An open dataset folder."""

    root: Path
    recipe: CurationRecipe
    rows: Sequence[Row]
    """The manifest, in order: by species, digest and address."""
    refused: Mapping[str, int] = field(default_factory=dict)
    """How often the harvest got no image at all, by its reason."""
    network: str = ""
    """Which looked for outliers and wrong labels; empty where none did, or nobody noted it."""

    @classmethod
    def open(cls, root: Path) -> Self:
        """Read the manifest of the dataset at `root`.

        Raises:
            DatasetError: there is no dataset at `root`, or another Bestiary wrote it.
        """
        if not (root / MANIFEST).is_file():
            raise DatasetError(f"no dataset at {root}: make one with `bestiary curate`")
        return cls.read(root / MANIFEST)

    @classmethod
    def read(cls, path: Path, columns: Sequence[str] | None = None) -> Self:
        """Read a manifest wherever it is; the dataset's folder is taken to be around it.

        Args:
            path: of the manifest.
            columns: which rows are to have, digest and species among them; others are as by
                default. All unless given.

        Raises:
            DatasetError: it is no manifest, or another Bestiary wrote it.
        """
        with _manifest(path) as (record, file):
            recipe = CurationRecipe.from_record(record["recipe"])
            refused = dict(record.get("refused", {}))
            rows = Spool.of(Row, map(_row, _values_in(file, columns)))
            network = str(record.get("network", ""))
        return cls(root=path.parent, recipe=recipe, rows=rows, refused=refused, network=network)

    @functools.cached_property
    def species(self) -> tuple[str, ...]:
        """The species that have images, sorted; a label is an index into this."""
        return tuple(sorted({row.species for row in self.rows if row.kept}))

    def images(self, split: str) -> tuple[Row, ...]:
        """The kept rows of one split, in the manifest's order."""
        return tuple(row for row in self.rows if row.kept and row.split == split)

    def path(self, row: Row) -> Path:
        """Where the rendered file of a kept row lies."""
        if row.file is None:
            raise DatasetError(f"{row.digest[:12]} has no file: it was dropped ({row.reason})")
        return self.root / row.file

    @property
    def lock_entry(self) -> lock.Entry:
        """The dataset's entry in `datasets.lock`.

        Raises:
            LockMismatchError: there is none.
        """
        path = lock.lock_path(self.root)
        entry = lock.read_entry(path, self.root.resolve().name)
        if entry is None:
            raise LockMismatchError(
                f"{path} has no entry for {self.root.resolve().name}: {self._how_to_mend(path)}"
            )
        return entry

    def _how_to_mend(self, path: Path) -> str:
        beside, name = self.root.absolute().parent / lock.FILE_NAME, self.root.absolute().name
        if beside.parent.resolve() != path.parent and beside.is_file():
            return (
                f"{beside}, beside the link, is where an earlier Bestiary wrote it: move its entry"
                f" {name} there, under that name, or run `bestiary curate` again"
            )
        others = [name for name, one in lock.read_entries(path).items() if "kind" not in one]
        named = f" (it has {', '.join(sorted(others)[:5])}: an entry bears its folder's name)"
        return (
            f"restore the lock from version control{named if others else ''}, or run"
            " `bestiary curate` again"
        )

    @functools.cached_property
    def lock_digest(self) -> str:
        """SHA-256 of the lock entry's canonical JSON: the dataset's identity, once asked for."""
        return lock.digest_of(self.lock_entry)

    def verify(self) -> tuple[Difference, ...]:
        """Recompute every digest; empty when all is as locked."""
        from curation.verification import verified

        return tuple(one for checked in verified(self) for one in checked.differences)

    def require_locked(self) -> None:
        """Do nothing if all is as locked.

        Raises:
            LockMismatchError: it is not; the message names the worst differences.
        """
        require_none(self.verify(), self.root)


def _row(values: Mapping[str, Any]) -> Row:
    row = Row(**values)
    if not _SHA256.fullmatch(row.digest):
        raise ValueError(f"the manifest has {row.digest!r} for a digest")
    return row


def listed_files(path: Path) -> Callable[[str], bool]:
    """What tells the rendered files that a manifest lists, without reading the rest of it.

    Raises:
        DatasetError: it is no manifest, or another Bestiary wrote it.
    """
    with _manifest(path) as (_, file):
        rows = _values_in(file, ["file"])
        listed = Digests.of(_digest(row["file"]) for row in rows if row["file"])
    return lambda name: _digest(name) in listed


def _digest(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@contextlib.contextmanager
def _manifest(path: Path) -> Iterator[tuple[dict[str, Any], pq.ParquetFile]]:
    """Open a manifest: what it says of itself, and its rows; whatever is wrong is told as one."""
    try:
        with pq.ParquetFile(path) as file:
            yield _record_in(file.schema_arrow), file
    except (OSError, pa.ArrowException, ValueError, KeyError, TypeError) as error:
        raise DatasetError(f"cannot read {path} ({error}): run `bestiary curate` again") from error
    finally:
        pa.default_memory_pool().release_unused()


def _values_in(
    file: pq.ParquetFile, columns: Sequence[str] | None = None
) -> Iterator[dict[str, Any]]:
    for part in file.iter_batches(_AT_ONCE, columns=columns):
        yield from part.to_pylist()


def open_locked(root: Path) -> Dataset:
    """Open the dataset at `root`.

    Raises:
        DatasetError: there is none.
        LockMismatchError: the lock knows it, and its manifest is gone or cannot be read.
    """
    try:
        return Dataset.open(root)
    except DatasetError as error:
        if lock.read_entry(lock.lock_path(root), root.resolve().name) is None:
            raise
        lost = Difference(path=MANIFEST, kind="manifest", detail=str(error))
        raise LockMismatchError(
            f"{root} is not what {lock.FILE_NAME} says: {error}",
            document={"differences": [asdict(lost)]},
        ) from error


def require_none(found: Sequence[Difference], root: Path) -> None:
    """Raise `LockMismatchError` if differences were found, naming the worst and counting all."""
    if not found:
        return
    worst = sorted(found, key=_badness)[:_NAMED]
    first = "; ".join(f"{one.path}: {one.detail}" for one in worst)
    more = ""
    if len(found) > _NAMED:
        kinds = Counter(one.kind for one in found)
        listed = ", ".join(f"{kinds[kind]} {kind}" for kind in _WORST_FIRST if kinds[kind])
        more = f"; and {len(found) - _NAMED} more, which --json lists (in all: {listed})"
    raise LockMismatchError(
        f"{root} is not what datasets.lock says: {first}{more}.",
        document={"differences": [asdict(one) for one in found]},
    )


def _badness(one: Difference) -> tuple[bool, int]:
    """Originals that are lost come first: what is rendered of them can be made again."""
    is_rendered = one.path.startswith(_SPLIT_FOLDERS)
    return is_rendered or one.kind not in _LOST, _WORST_FIRST.index(one.kind)


def rendered_files(root: Path) -> Iterator[str]:
    """Every file in the split folders, as a path below the dataset."""
    for split in SPLITS:
        yield from (f"{split}/{file}" for file in files_below(root / split))


def files_below(folder: Path) -> Iterator[str]:
    """Every file and link below a folder, as a path from there with forward slashes.

    What file managers leave behind counts for nothing.
    """
    for place, folders, files in os.walk(folder):
        here = Path(place)
        links = [name for name in folders if (here / name).is_symlink()]
        below = "" if here == folder else f"{here.relative_to(folder).as_posix()}/"
        yield from (f"{below}{name}" for name in files + links if not is_litter(name))


def is_litter(name: str) -> bool:
    """Whether a file manager leaves files of this name in any folder that it shows."""
    return name in _LITTER or name.startswith("._")


def identity(rows: Iterable[Row], recipe: CurationRecipe) -> dict[str, object]:
    """A lock entry but for `libraries`: what a dataset is, recomputed from its manifest."""
    sources, files, listed = Lines(), Lines(), hashlib.sha256()
    kept, decided = Counter[tuple[str, str]](), set[str]()
    for row in rows:  # Once: to make them again takes as long as to digest them.
        sources.add(f"{row.digest} {row.species}")
        listed.update(f"{lock.canonical([getattr(row, name) for name in IDENTITY])}\n".encode())
        if row.file:
            files.add(f"{row.file_sha256} {row.file}")
        if row.review:
            decided.add(lock.canonical([row.digest, row.species, row.review]))
        if row.kept:
            kept[row.split or "", row.species] += 1
    distinct = (line for line, _ in itertools.groupby(sources.in_order()))
    return {
        "recipe": recipe.record(),
        "seed": recipe.seed,
        "sources_sha256": lock.digest_of_lines(distinct),
        "rows_sha256": listed.hexdigest(),
        "files_sha256": lock.digest_of_lines(files.in_order()),
        "review_sha256": lock.digest_of_lines(sorted(decided)) if decided else None,
        "counts": _counted(kept),
    }


def counts(rows: Iterable[Row]) -> dict[str, dict[str, int]]:
    """Kept images per split and species: every split and every kept species is there."""
    return _counted(Counter((row.split or "", row.species) for row in rows if row.kept))


def _counted(kept: Counter[tuple[str, str]]) -> dict[str, dict[str, int]]:
    species = sorted({name for _, name in kept})
    return {split: {name: kept[split, name] for name in species} for split in SPLITS}


def file_name(row: Row, split: Split) -> str:
    """Where the rendered file of an image belongs, below the dataset."""
    return f"{split}/{folder_name(row.species)}/{row.digest}.jpg"


def folder_name(species: str) -> str:
    """A species' name as one harmless folder name; most names are their own."""
    safe = _UNSAFE.sub(lambda found: f"%{ord(found.group()):02X}", species)
    return safe or "%"


def write_manifest(
    path: Path,
    rows: Sequence[Row],
    recipe: CurationRecipe,
    *,
    refused: Mapping[str, int] | None = None,
    network: str = "",
) -> None:
    """Write the manifest; all but the rows goes into its metadata (see `Dataset`)."""
    record: dict[str, Any] = {
        "version": MANIFEST_VERSION,
        "recipe": recipe.record(),
        "refused": dict(refused or {}),
        "network": network,
    }
    schema = SCHEMA.with_metadata({_METADATA_KEY: lock.canonical(record)})
    with pq.ParquetWriter(path, schema, compression="zstd") as file:
        for start in range(0, max(1, len(rows)), _GROUP):
            end = min(start + _GROUP, len(rows))
            parts = [
                _table(rows[first : min(first + _AT_ONCE, end)], schema)
                for first in range(start, max(start + 1, end), _AT_ONCE)
            ]
            file.write_table(pa.concat_tables(parts))
            del parts
            pa.default_memory_pool().release_unused()


def _table(rows: Sequence[Row], schema: pa.Schema) -> pa.Table:
    columns = [
        pa.array([getattr(row, column.name) for row in rows], column.type) for column in SCHEMA
    ]
    return pa.table(columns, schema=schema)
