"""Changes: what one version of a dataset has that another has not.

Two lock entries tell how recipe, classes and counts differ, and whether the images do. Two
manifests tell which images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from curation import lock
from curation.dataset import MANIFEST, Dataset, Row, identity
from curation.errors import DatasetError, LockMismatchError

_DIGESTS = {
    "sources_sha256": "the originals",
    "rows_sha256": "the manifests' rows",
    "files_sha256": "the files (places or bytes)",
}

Pair = tuple[object, object]
"""A value before and after."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Version:
    """One version of a dataset, or of anything else that a lock has an entry of."""

    entry: lock.Entry
    rows: Sequence[Row] | None = None
    """None where no more than the lock entry is at hand."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Move:
    """An image that is somewhere else."""

    digest: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Images:
    """What became of the images, by digest; only kept ones count."""

    added: tuple[str, ...]
    removed: tuple[str, ...]
    species: tuple[Move, ...]
    """Kept under another species."""
    splits: tuple[Move, ...]
    folds: tuple[Move, ...]
    rendered: tuple[str, ...]
    """Of the same original another picture was made."""

    @property
    def tainted(self) -> tuple[str, ...]:
        """Images that test now and trained before: a model of then has seen them."""
        return tuple(
            move.digest for move in self.splits if (move.before, move.after) == ("train", "test")
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Changes:
    """What differs; empty where nothing does."""

    values: Mapping[str, Pair]
    """Of recipe, seed and the rest of the entry, by name; of `libraries`, too."""
    digests: tuple[str, ...]
    """Which of the entry's digests differ."""
    species_removed: tuple[str, ...]
    species_added: tuple[str, ...]
    counts: Mapping[str, Mapping[str, Pair]]
    """By split and species, where they differ."""
    images: Images | None
    """None where a manifest is missing."""

    def __bool__(self) -> bool:
        return bool(self.values or self.digests or self.counts)

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        images = None
        if self.images is not None:
            images = {**asdict(self.images), "train_to_test": list(self.images.tainted)}
        return {
            "values": dict(self.values),
            "digests": list(self.digests),
            "species_removed": list(self.species_removed),
            "species_added": list(self.species_added),
            "counts": {split: dict(counts) for split, counts in self.counts.items()},
            "images": images,
        }


def versions(text: str) -> dict[str, Version]:
    """Read what a user names: a dataset's folder, a manifest, a lock, or LOCK:NAME.

    Raises:
        DatasetError: there is none of these.
        LockMismatchError: a lock cannot be read.
    """
    path = Path(text)
    if path.is_dir():
        return {path.resolve().name: _of_dataset(Dataset.open(path))}
    if path.suffix == Path(MANIFEST).suffix and path.exists():
        return {path.stem: _of_dataset(Dataset.read(path))}
    if path.is_file():
        return {name: Version(entry=entry) for name, entry in lock.read_entries(path).items()}
    before, _, name = text.rpartition(":")
    if before and Path(before).is_file():
        entries = lock.read_entries(Path(before))
        if name in entries:
            return {name: Version(entry=entries[name])}
        known = ", ".join(sorted(entries)) or "nothing"
        raise DatasetError(f"{before} has no entry {name}, only: {known}")
    raise DatasetError(
        f"there is no {text}: name a dataset's folder, a {MANIFEST}, a {lock.FILE_NAME}, or one"
        " of its entries, as in datasets.lock:dataset"
    )


def _of_dataset(dataset: Dataset) -> Version:
    try:
        entry = dataset.lock_entry
    except (LockMismatchError, DatasetError):  # A manifest alone tells all but the libraries.
        entry = identity(dataset.rows, dataset.recipe)
    return Version(entry=entry, rows=dataset.rows)


def changes(before: Version, after: Version) -> Changes:
    """What differs between two versions."""
    values = dict(_values(before.entry, after.entry))
    if "libraries" not in before.entry or "libraries" not in after.entry:
        values = {name: pair for name, pair in values.items() if not name.startswith("libraries")}
    old, new = (set(_species(one.entry)) for one in (before, after))
    images = None
    if before.rows is not None and after.rows is not None:
        images = _images(before.rows, after.rows)
    return Changes(
        values=values,
        digests=tuple(key for key in _DIGESTS if before.entry.get(key) != after.entry.get(key)),
        species_removed=tuple(sorted(old - new)),
        species_added=tuple(sorted(new - old)),
        counts=_counts(before.entry, after.entry),
        images=images,
    )


def _values(before: lock.Entry, after: lock.Entry) -> Iterator[tuple[str, Pair]]:
    """The entries' values that differ, those within recipe and libraries by `recipe.fit`."""
    old, new = _flat(before), _flat(after)
    for name in sorted({*old, *new} - {"seed"}):
        if old.get(name) != new.get(name):
            yield name, (old.get(name), new.get(name))


def _flat(entry: lock.Entry) -> dict[str, object]:
    flat: dict[str, object] = {}
    for key, value in entry.items():
        if key in _DIGESTS or key == "counts":
            continue
        if isinstance(value, Mapping):
            flat |= {f"{key}.{name}": inner for name, inner in value.items()}
        else:
            flat[key] = value
    return flat


def _table(entry: lock.Entry) -> Mapping[str, Mapping[str, int]]:
    counts = entry.get("counts", {})
    return counts if isinstance(counts, Mapping) else {}


def _species(entry: lock.Entry) -> Iterator[str]:
    for counts in _table(entry).values():
        yield from counts


def _counts(before: lock.Entry, after: lock.Entry) -> dict[str, dict[str, Pair]]:
    old, new = _table(before), _table(after)
    found: dict[str, dict[str, Pair]] = {}
    for split in dict.fromkeys([*old, *new]):
        for name in sorted({*old.get(split, {}), *new.get(split, {})}):
            pair = old.get(split, {}).get(name, 0), new.get(split, {}).get(name, 0)
            if pair[0] != pair[1]:
                found.setdefault(split, {})[name] = pair
    return found


def _images(before: Sequence[Row], after: Sequence[Row]) -> Images:
    old, new = ({row.digest: row for row in rows if row.kept} for rows in (before, after))
    both = [(old[digest], new[digest]) for digest in sorted(old.keys() & new.keys())]
    return Images(
        added=tuple(sorted(new.keys() - old.keys())),
        removed=tuple(sorted(old.keys() - new.keys())),
        species=_moves(both, "species"),
        splits=_moves(both, "split"),
        folds=_moves(both, "fold"),
        rendered=tuple(one.digest for one, other in both if one.file_sha256 != other.file_sha256),
    )


def _moves(both: Sequence[tuple[Row, Row]], column: str) -> tuple[Move, ...]:
    pairs = ((one.digest, getattr(one, column), getattr(other, column)) for one, other in both)
    return tuple(
        Move(digest=digest, before=_place(old), after=_place(new))
        for digest, old, new in pairs
        if old != new
    )


def _place(value: object) -> str:
    return "–" if value is None else str(value)


def in_words(found: Changes) -> Iterator[str]:
    """The changes, a line each."""
    for name, (old, new) in found.values.items():
        yield f"{name}: {_shown(old)} → {_shown(new)}"
    names = [f"+ {name}" for name in found.species_added]
    names += [f"− {name}" for name in found.species_removed]
    if names:
        yield f"species: {', '.join(names)}"
    for split, counts in found.counts.items():
        yield f"{split}: " + ", ".join(f"{n} {old} → {new}" for n, (old, new) in counts.items())
    if found.images is not None:
        yield from _images_in_words(found.images)
    elif found.digests:
        differing = ", ".join(_DIGESTS[key] for key in found.digests)
        yield f"{differing} differ; compare the datasets' folders to see which"


def _images_in_words(images: Images) -> Iterator[str]:
    for what, digests in (
        ("added", images.added),
        ("removed", images.removed),
        ("rendered otherwise", images.rendered),
    ):
        if digests:
            yield f"{len(digests)} {what}: {_some(digests)}"
    for what, moves in (
        ("under another species", images.species),
        ("on another side", images.splits),
        ("in another fold", images.folds),
    ):
        if moves:
            kinds = Counter(f"{move.before} → {move.after}" for move in moves)
            listed = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common(6))
            yield f"{len(moves)} {what} ({listed}): {_some([move.digest for move in moves])}"
    if images.tainted:
        yield (
            f"Mind: {len(images.tainted)} that trained before test now; a model of then knows them,"
            " and `bestiary curate --keep-splits` keeps images on their side"
        )


def _some(digests: Sequence[str]) -> str:
    shown = ", ".join(digest[:12] for digest in digests[:6])
    return f"{shown}, …" if len(digests) > 6 else shown


def _shown(value: object) -> str:
    return "–" if value is None else lock.canonical(value)
