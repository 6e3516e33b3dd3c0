"""Pins: what a lock says of data that others publish, and of what is drawn and not gathered.

Besides datasets, `datasets.lock` may hold entries with a `kind`:

    file      a file on the web: url, bytes, sha256, and md5 where its publisher states that
    drawing   pictures that `bestiary draw` makes: seed, per_species, files, files_sha256
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from curation import lock
from curation.dataset import files_below
from curation.errors import LockMismatchError, UsageError

OWN = Path(__file__).with_name(lock.FILE_NAME)
"""What Bestiary itself pins: the lock at the root of its repository, as it is installed."""

_DIGESTS = {"sha256": 64, "md5": 32, "files_sha256": 64}


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedFile:
    """A file on the web that may be nothing else."""

    name: str
    url: str
    bytes: int
    sha256: str
    md5: str = ""

    @property
    def file_name(self) -> str:
        """What its address calls it."""
        return self.url.rpartition("/")[2] or self.name


@dataclass(frozen=True, slots=True, kw_only=True)
class PinnedDrawing:
    """A folder of pictures that anybody can draw again, to the last byte."""

    name: str
    seed: int
    per_species: int
    files: int
    files_sha256: str
    """Over the digests and names of the files, sorted."""


Pin = PinnedFile | PinnedDrawing


def pins(own: Path = OWN, *, beside: Path | None = None) -> dict[str, Pin]:
    """Everything that is pinned, by name: by Bestiary, and by the lock of the user's project.

    Raises:
        LockMismatchError: a lock cannot be read, or lacks what a pin needs.
    """
    found: dict[str, Pin] = {}
    for path in (own, beside):
        if path is not None:
            for name, entry in lock.read_entries(path).items():
                if "kind" in entry:
                    found[name] = _pin(name, entry, path)
    return found


def pin_named(name: str, known: Mapping[str, Pin]) -> Pin:
    """The pin that is called so, be it with or without its hyphens.

    Raises:
        UsageError: there is none; the message names all that there are.
    """
    plain = {_plain(one): pin for one, pin in known.items()}
    if _plain(name) not in plain:
        raise UsageError(f"nothing called {name!r} is pinned, only: {', '.join(sorted(known))}")
    return plain[_plain(name)]


def require_drawn(folder: Path, pin: PinnedDrawing) -> None:
    """Do nothing if a folder holds the pinned pictures, and no others.

    Raises:
        UsageError: there is no such folder.
        LockMismatchError: it holds others.
    """
    if not folder.is_dir():
        raise UsageError(f"no folder at {folder}: --file names the pictures to check")
    files = sorted(files_below(folder))
    found = lock.digest_of_lines(
        sorted(
            f"{hashlib.sha256((folder / file).read_bytes()).hexdigest()} {file}" for file in files
        )
    )
    if (len(files), found) != (pin.files, pin.files_sha256):
        raise LockMismatchError(
            f"{folder} ({len(files)} files, digest {found[:12]}…) is not {pin.name} as it is pinned"
            f" ({pin.files} files, {pin.files_sha256[:12]}…): draw it anew with `bestiary draw"
            f" DIR --seed {pin.seed} --per-species {pin.per_species}`"
        )


def _plain(name: str) -> str:
    return re.sub(r"[-_ ]", "", name).casefold()


def _pin(name: str, entry: lock.Entry, path: Path) -> Pin:
    try:
        if entry["kind"] == "file":
            pin: Pin = PinnedFile(
                name=name,
                url=str(entry["url"]),
                bytes=_whole(entry["bytes"]),
                sha256=str(entry["sha256"]),
                md5=str(entry.get("md5", "")),
            )
        elif entry["kind"] == "drawing":
            pin = PinnedDrawing(
                name=name,
                seed=_whole(entry["seed"]),
                per_species=_whole(entry["per_species"]),
                files=_whole(entry["files"]),
                files_sha256=str(entry["files_sha256"]),
            )
        else:
            raise ValueError(f"of a kind that is not known: {entry['kind']}")
        _check(entry)
    except (KeyError, ValueError) as error:
        what = f"lacks {error}" if isinstance(error, KeyError) else f"is wrong ({error})"
        raise LockMismatchError(
            f"the entry {name} of {path} {what}: restore it from version control"
        ) from error
    return pin


def _whole(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 0:
        raise ValueError(f"{value!r} is no whole number")
    return value


def _check(entry: lock.Entry) -> None:
    for key, length in _DIGESTS.items():
        if key in entry and not re.fullmatch(rf"[0-9a-f]{{{length}}}", str(entry[key])):
            raise ValueError(f"{entry[key]!r} is no {key}")
    if "url" in entry and not str(entry["url"]).startswith(("https://", "http://")):
        raise ValueError(f"{entry['url']!r} is no address on the web")
