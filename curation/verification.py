"""Verification: is a dataset still what its lock says, and if not, what happened to it?

Every digest is recomputed. A file whose bytes changed is looked at: it is corrupt, or it is
the same picture in other bytes, because an optimiser or a metadata tool went over it.
"""

from __future__ import annotations

import hashlib
import itertools
import os
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from curation import lock
from curation.dataset import MANIFEST, Dataset, Difference, Row, identity, rendered_files
from curation.errors import LockMismatchError
from curation.grouping import torn_groups
from curation.likeness import original_change, rendered_change
from scraper.harvest import Harvest

_CHUNK = 32
"""Files to one task: a task costs more than the digest of a small file."""
_AHEAD = 4

Change = tuple[str, str]
"""The kind of a difference, and its detail."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Checked:
    """So many files were read again, and this is what was found."""

    files: int
    differences: tuple[Difference, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class _File:
    """A file that must have this digest; `explain` says what became of it if it has not."""

    root: Path
    shown: str
    """Below the root, with forward slashes."""
    sha256: str
    explain: Callable[[bytes], Change]
    is_original: bool = False


def verified(
    dataset: Dataset, *, harvest: Harvest | None = None, workers: int = 1
) -> Iterator[Checked]:
    """Read every file of a dataset again, and of the harvest it was made of, if that is given.

    Files come in order; the number of workers changes nothing but the time.
    """
    files = [*_rendered(dataset, harvest), *(_originals(dataset, harvest) if harvest else ())]
    yield from _in_threads(files, workers)
    yield Checked(files=0, differences=tuple(_unlisted(dataset)))
    yield Checked(files=0, differences=tuple(_records(dataset)))


def file_count(dataset: Dataset, *, with_originals: bool) -> int:
    """How many files `verified` will read."""
    rendered = sum(row.file is not None for row in dataset.rows)
    return rendered + (len({row.digest for row in dataset.rows}) if with_originals else 0)


def _in_threads(files: Sequence[_File], workers: int) -> Iterator[Checked]:
    waiting: deque[Future[Checked]] = deque()
    chunks = iter([files[start : start + _CHUNK] for start in range(0, len(files), _CHUNK)])
    with ThreadPoolExecutor(workers, thread_name_prefix="verify") as pool:
        try:
            while True:
                room = workers * _AHEAD - len(waiting)
                waiting.extend(pool.submit(_check, one) for one in itertools.islice(chunks, room))
                if not waiting:
                    return
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def _check(files: Sequence[_File]) -> Checked:
    found = [difference for file in files if (difference := _difference(file)) is not None]
    return Checked(files=len(files), differences=tuple(found))


def _difference(file: _File) -> Difference | None:
    try:
        place = f"{file.root}{os.sep}{file.shown.replace('/', os.sep)}"
        with open(place, "rb") as opened:  # noqa: PTH123 - thrice as fast.
            body = opened.read()
    except OSError as error:
        what = (
            "the original cannot be read ({}): gather it again"
            if file.is_original
            else "it cannot be read ({}): rebuild with `bestiary curate`"
        )
        detail = what.format(error.strerror)
        return Difference(path=file.shown, kind="missing", detail=detail)
    if hashlib.sha256(body).hexdigest() == file.sha256:
        return None
    kind, detail = file.explain(body)
    return Difference(path=file.shown, kind=kind, detail=detail)


def _rendered(dataset: Dataset, harvest: Harvest | None) -> Iterator[_File]:
    for row in dataset.rows:
        if row.file is not None:
            yield _File(
                root=dataset.root,
                shown=row.file,
                sha256=row.file_sha256 or "",
                explain=_of_rendered(row, dataset, harvest),
            )


def _of_rendered(row: Row, dataset: Dataset, harvest: Harvest | None) -> Callable[[bytes], Change]:
    original = harvest.path(row.digest) if harvest else None
    return lambda body: rendered_change(body, row, dataset.recipe, original)


def _originals(dataset: Dataset, harvest: Harvest) -> Iterator[_File]:
    places: dict[str, int] = {}
    kept: set[str] = set()
    for place, row in enumerate(dataset.rows):
        if row.kept or row.digest not in kept:
            places[row.digest] = place
        if row.kept:
            kept.add(row.digest)
    for digest in sorted(places):
        row, path = dataset.rows[places[digest]], harvest.path(digest)
        yield _File(
            root=harvest.root,
            shown=path.relative_to(harvest.root).as_posix(),
            sha256=digest,
            explain=_of_original(row, dataset),
            is_original=True,
        )


def _of_original(row: Row, dataset: Dataset) -> Callable[[bytes], Change]:
    return lambda body: original_change(body, row, dataset.recipe)


def _unlisted(dataset: Dataset) -> Iterator[Difference]:
    listed = {row.file for row in dataset.rows}
    for file in sorted(set(rendered_files(dataset.root)) - listed):
        yield Difference(path=file, kind="unlisted", detail="the manifest does not list it")


def _records(dataset: Dataset) -> Iterator[Difference]:
    """Compare the manifest with the lock, and its splits with its own groups."""
    for group in torn_groups(dataset.rows, dataset.recipe.group_by):
        names = ", ".join(digest[:12] for digest in group)
        detail = f"{names} belong together and are in several splits: run `bestiary curate` again"
        yield Difference(path=MANIFEST, kind="torn", detail=detail)
    try:
        entry = dataset.lock_entry
    except LockMismatchError as error:
        yield Difference(path=lock.FILE_NAME, kind="lock", detail=str(error))
        return
    found = identity(dataset.rows, dataset.recipe)
    for key in differing(found, entry):
        yield Difference(
            path=MANIFEST, kind="manifest", detail=f"{key} differs from the locked one"
        )


def differing(found: lock.Entry, entry: lock.Entry) -> Iterable[str]:
    """In what an identity that was recomputed is not the locked one."""
    keys = sorted({*found, *entry} - {"libraries"})
    return [key for key in keys if found.get(key) != entry.get(key)]
