"""Other animals: pictures that show none of a run's species, from a folder or a zip file."""

from __future__ import annotations

import zipfile
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

import numpy as np
from numpy.typing import NDArray

from curation.errors import UnusableImageError
from curation.render import render
from training.errors import PicturesError
from training.pictures import scaled
from training.predict import files_of
from training.run import RunRecord

MOST = 2000
"""More are not looked at: the interval is narrow by then."""
MAX_BYTES = 50 * 2**20
"""Of one picture, unpacked: a zip file can promise anything."""
_SUFFIXES = frozenset({".png", ".jpg", ".jpeg", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif"})


Name = TypeVar("Name", str, Path)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OtherPictures:
    """Pictures of animals that a network was never told of."""

    name: str
    pixels: NDArray[np.uint8]
    """Shape (n, side, side, 3), rendered as the run's own pictures."""
    found: int
    """Files there are; of more than `MOST` some are passed over."""
    unread: tuple[str, ...]
    """The names of those that were looked at, and could not be read as pictures."""

    @property
    def in_words(self) -> str:
        """Where they come from, and what became of the files that are not among them."""
        passed = self.found - len(self.pixels) - len(self.unread)
        notes = [
            *([f"{len(self.unread)} could not be read"] if self.unread else []),
            *([f"{passed} were passed over, as {MOST} are enough"] if passed else []),
        ]
        return f"{self.name}, of {self.found} files {' and '.join(notes)}" if notes else self.name


def read(path: Path, record: RunRecord) -> OtherPictures:
    """Read the pictures in a folder or a zip file, as a run's dataset would hold them.

    Of more than `MOST` pictures so many are taken, evenly spread.

    Raises:
        PicturesError: there is no such folder or zip file, or it holds no picture.
    """
    pixels, unread, found = [], list[str](), 0
    for name, body, count in _files(path):
        found = count
        try:
            picture = render(body, record.curation, through_jpeg=record.through_jpeg)
            pixels.append(scaled(picture, record.side_px))
        except UnusableImageError:
            unread.append(name)
    if not pixels:
        raise PicturesError(f"{path} holds no pictures of other animals that can be read")
    return OtherPictures(name=path.name, pixels=np.stack(pixels), found=found, unread=tuple(unread))


_File = tuple[str, bytes, int]
"""A file's name, its bytes, and how many files there are in all."""


def _files(path: Path) -> Iterator[_File]:
    try:
        if path.is_dir():
            files = files_of([path])
            yield from ((one.name, one.read_bytes(), len(files)) for one in _thinned(files))
        else:
            yield from _unzipped(path)
    # The last two are what `zipfile` says of a compression it does not know, and of a password.
    except (
        *(OSError, zipfile.BadZipFile, zlib.error),
        *(NotImplementedError, RuntimeError),
    ) as error:
        raise PicturesError(
            f"cannot read {path} ({error}): name a folder or a zip file with pictures"
        ) from error


def _unzipped(path: Path) -> Iterator[_File]:
    """The pictures in a zip file; nothing is written anywhere."""
    with zipfile.ZipFile(path) as archive:
        names = [
            name
            for name in sorted(archive.namelist())
            if PurePosixPath(name).suffix.lower() in _SUFFIXES
        ]
        for name in _thinned(names):
            with archive.open(name) as member:
                body = member.read(MAX_BYTES + 1)
            yield name, body if len(body) <= MAX_BYTES else b"", len(names)


def _thinned(names: Sequence[Name]) -> Sequence[Name]:
    count = min(MOST, len(names))
    return [names[place * len(names) // count] for place in range(count)]
