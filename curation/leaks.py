"""The leak check: are two pictures in different splits one picture after all?

It looks at the files that a model would read, whatever the manifest says of them, so that it
also finds what was put there by hand. What it promises is in `LeakCheck.statement`.
"""

from __future__ import annotations

import hashlib
import math
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path, PurePosixPath
from typing import Any, Self, TypeVar

from PIL import Image

from curation.lock import digest_of_lines
from curation.nearest import Collection, nearest
from curation.recipe import SPLITS, CurationRecipe, Split
from curation.signature import Signature, sign
from curation.spool import Lines

FACING: tuple[tuple[Split, Split], ...] = (("test", "train"), ("val", "train"), ("test", "val"))
"""The splits that must not share a picture."""
_SHOWN = 12
"""Nearest pairs that are told of even when they are no leaks."""
_AHEAD = 4

_In = TypeVar("_In")
_Out = TypeVar("_Out")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """A rendered file, as it lies in the dataset's folder."""

    file: str
    """Path below the dataset, with forward slashes."""
    sha256: str
    """Of its bytes; empty where it could not be read."""
    signature: Signature | None
    """None where there is nothing to compare but bytes: a flat picture, or none."""
    is_picture: bool

    @property
    def split(self) -> str:
        """The folder that it lies in."""
        return self.file.partition("/")[0]

    @property
    def species(self) -> str:
        """The folder's name within the split's."""
        return self.file.split("/")[1] if self.file.count("/") > 1 else ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Near:
    """Two files in different splits, and how alike they are."""

    first: str
    second: str
    likeness: float
    """Once aligned; 1 where the bytes are the same."""
    same_bytes: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class LeakCheck:
    """What a search across the splits found."""

    pictures: int
    pairs: int
    """Every picture of one split with every one of another: so many were compared."""
    aligned: int
    """The likeliest of these, which were laid on each other."""
    min_likeness: float
    """From which two pictures are look-alikes: the recipe's."""
    leaks: tuple[Near, ...]
    """Look-alikes in different splits, the most alike first."""
    nearest: tuple[Near, ...]
    """The most alike pairs that are no look-alikes: so near did any two come."""
    unreadable: tuple[str, ...]
    """Files that are no pictures, and were not compared."""
    absent: tuple[str, ...] = ()
    """Files that the manifest names and the folder has not, and that were not compared either."""
    files_sha256: str = ""
    """Over the paths and digests of all files that were there, as in a lock entry."""

    @classmethod
    def of_document(cls, document: Mapping[str, Any]) -> Self:
        """The check that `document` told of.

        Raises:
            KeyError, TypeError, ValueError: no check did.
        """
        return cls(
            pictures=int(document["pictures"]),
            pairs=int(document["pairs"]),
            aligned=int(document["aligned"]),
            min_likeness=float(document["min_likeness"]),
            leaks=tuple(map(_of_document, document["leaks"])),
            nearest=tuple(map(_of_document, document["nearest"])),
            unreadable=tuple(map(str, document["unreadable"])),
            absent=tuple(map(str, document["absent"])),
            files_sha256=str(document["files_sha256"]),
        )

    @property
    def likeness(self) -> float | None:
        """Of the most alike pair; None where no two pictures are alike at all."""
        found = (*self.leaks, *self.nearest)
        return found[0].likeness if found else None

    @property
    def statement(self) -> str:
        """What was found, in a sentence or two."""
        if not self.pairs:
            return "There is nothing to compare: fewer than two splits hold pictures."
        looked = f"{self.pairs:,} pairs compared, the {self.aligned:,} likeliest of them closely."
        if self.leaks:
            found = "1 leak" if len(self.leaks) == 1 else f"{len(self.leaks):,} leaks"
            return f"{found} across splits, look-alikes up to {self.likeness:.2f}: {looked}"
        if self.likeness is None:
            return f"No two pictures in different splits are alike: {looked}"
        return (
            f"No pair across splits is more alike than {self.likeness:.2f};"
            f" look-alikes begin at {self.min_likeness:.2f}: {looked}"
        )

    def document(self) -> dict[str, object]:
        """The check for scripts."""
        return {
            "statement": self.statement,
            "pictures": self.pictures,
            "pairs": self.pairs,
            "aligned": self.aligned,
            "likeness": self.likeness,
            "min_likeness": self.min_likeness,
            "leaks": [_as_document(near) for near in self.leaks],
            "nearest": [_as_document(near) for near in self.nearest],
            "unreadable": list(self.unreadable),
            "absent": list(self.absent),
            "files_sha256": self.files_sha256,
        }


def _as_document(near: Near) -> dict[str, object]:
    return {
        "files": [near.first, near.second],
        "likeness": near.likeness,
        "same_bytes": near.same_bytes,
    }


def _of_document(document: Mapping[str, Any]) -> Near:
    first, second = map(str, document["files"])
    likeness = float(document["likeness"])
    if not math.isfinite(likeness) or not (_lies_within(first) and _lies_within(second)):
        raise ValueError(f"no pair of pictures in split folders: {document}")
    return Near(
        first=first,
        second=second,
        likeness=likeness,
        same_bytes=bool(document["same_bytes"]),
    )


def _lies_within(file: str) -> bool:
    """Whether this is the name of a file in a split's folder, and leads nowhere else."""
    parts = PurePosixPath(file).parts
    return len(parts) > 1 and parts[0] in SPLITS and ".." not in parts


def look(root: Path, file: str) -> Seen:
    """Read a rendered file; one that is no picture is told of, and no error."""
    try:
        body = (root / file).read_bytes()
        digest = hashlib.sha256(body).hexdigest()
    except OSError:
        return Seen(file=file, sha256="", signature=None, is_picture=False)
    try:
        with Image.open(BytesIO(body)) as image:
            picture = image.convert("RGB")
            signature = sign(picture, picture.convert("L"))
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        return Seen(file=file, sha256=digest, signature=None, is_picture=False)
    return Seen(file=file, sha256=digest, signature=signature, is_picture=True)


def look_at_all(root: Path, files: Iterable[str], *, workers: int) -> Iterator[Seen]:
    """Read rendered files in their order, several at a time."""
    yield from _in_order(lambda file: look(root, file), files, workers)


def _in_order(work: Callable[[_In], _Out], todo: Iterable[_In], workers: int) -> Iterator[_Out]:
    waiting: deque[Future[_Out]] = deque()
    with ThreadPoolExecutor(workers, thread_name_prefix="look") as pool:
        for item in todo:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= workers * _AHEAD:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()


@dataclass(frozen=True, slots=True, kw_only=True)
class Shelf:
    """Some of the files, ready to be compared with others."""

    seen: tuple[Seen, ...]
    textured: tuple[Seen, ...]
    """Those with something to compare but bytes …"""
    collection: Collection
    """… in step with these."""

    @classmethod
    def of(cls, seen: Iterable[Seen]) -> Self:
        """Make some files ready."""
        every = tuple(seen)
        textured = tuple(one for one in every if one.signature)
        signatures = [one.signature for one in textured if one.signature]
        return cls(seen=every, textured=textured, collection=Collection.of(signatures))

    @property
    def pictures(self) -> int:
        """How many of the files are pictures."""
        return sum(one.is_picture for one in self.seen)


def check(seen: Sequence[Seen], recipe: CurationRecipe) -> LeakCheck:
    """Compare every two pictures that lie in different splits."""
    shelves = {split: Shelf.of(one for one in seen if one.split == split) for split in SPLITS}
    found: list[Near] = []
    pairs = aligned = 0
    for first, second in ((shelves[one], shelves[other]) for one, other in FACING):
        more, closely = across(first, second, recipe)
        found += more
        pairs, aligned = pairs + first.pictures * second.pictures, aligned + closely
    found.sort(key=lambda near: (-near.likeness, near.first, near.second))
    leaks = [near for near in found if near.likeness >= recipe.min_likeness]
    return LeakCheck(
        pictures=sum(shelf.pictures for shelf in shelves.values()),
        pairs=pairs,
        aligned=aligned,
        min_likeness=recipe.min_likeness,
        leaks=tuple(leaks),
        nearest=tuple(found[len(leaks) :][:_SHOWN]),
        unreadable=tuple(one.file for one in seen if not one.is_picture),
        files_sha256=digest_of_lines(Lines(f"{one.sha256} {one.file}" for one in seen).in_order()),
    )


def across(first: Shelf, second: Shelf, recipe: CurationRecipe) -> tuple[list[Near], int]:
    """The pairs that are alike at all, and how many were laid on each other."""
    search = nearest(first.collection, second.collection, recipe)
    same = set(_same_bytes(first.seen, second.seen))
    found = [Near(first=one, second=other, likeness=1.0, same_bytes=True) for one, other in same]
    for pair in search.pairs:
        files = first.textured[pair.first].file, second.textured[pair.second].file
        if files not in same:
            found.append(Near(first=files[0], second=files[1], likeness=pair.likeness))
    return found, search.aligned


def _same_bytes(first: Iterable[Seen], second: Iterable[Seen]) -> Iterator[tuple[str, str]]:
    """Each file of `first` with one of the very same bytes, where `second` has one."""
    there = {one.sha256: one.file for one in second if one.sha256}
    yield from ((one.file, there[one.sha256]) for one in first if one.sha256 in there)
