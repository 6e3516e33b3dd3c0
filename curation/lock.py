"""datasets.lock: what each dataset beside it must hold, in a form to review and commit.

An entry has no name, path or time of its own, so the same harvest and recipe give the same
entry, byte for byte, wherever and with however many workers it was made.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import json
import os
import sys
import threading
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from curation.errors import DatasetError, LockMismatchError

FILE_NAME = "datasets.lock"
LOCK_VERSION = 1
_CANONICAL = json.JSONEncoder(sort_keys=True, separators=(",", ":"), ensure_ascii=False)

Entry = Mapping[str, object]


def lock_path(root: Path) -> Path:
    """Where the lock of the dataset at `root` lies: beside it, not beside a link to it."""
    return root.resolve().parent / FILE_NAME


def canonical(value: object) -> str:
    """The one way to write a value as JSON, for digests: sorted keys, no spaces."""
    return _CANONICAL.encode(value)


def digest_of(value: object) -> str:
    """SHA-256 of a value's canonical JSON."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()


def digest_of_lines(lines: Iterable[str]) -> str:
    """SHA-256 over lines, each ended by a newline, without holding them all."""
    digest = hashlib.sha256()
    for line in lines:
        digest.update(f"{line}\n".encode())
    return digest.hexdigest()


def read_entry(path: Path, name: str) -> Entry | None:
    """The entry of dataset `name` in the lock file at `path`; None where there is none.

    Raises:
        LockMismatchError: the file is there and is no lock that this Bestiary can read.
        DatasetError: the system does not let it be read.
    """
    return _read_all(path).get(name)


def read_entries(path: Path) -> dict[str, Entry]:
    """Every entry of the lock file at `path`, by name; none where there is no file.

    Raises what `read_entry` raises.
    """
    return _read_all(path)


def write_entry(path: Path, name: str, entry: Entry) -> None:
    """Set the entry of dataset `name`, and leave every other entry as it is.

    Raises:
        DatasetError: the system does not let it be written.
    """
    try:
        with _held(path.parent):
            entries = {**_read_all(path), name: entry}
            document = {"version": LOCK_VERSION, "datasets": entries}
            text = json.dumps(document, sort_keys=True, indent=2, ensure_ascii=False) + "\n"
            write_atomically(path, [text.encode()])
    except OSError as error:
        mend = "make room there" if error.errno == errno.ENOSPC else "make its folder writable"
        raise DatasetError(
            f"cannot write {path} ({error.strerror}): {mend}, then run `bestiary curate` again"
        ) from error


def write_atomically(path: Path, pieces: Iterable[bytes]) -> None:
    """Give `path` this content in one step: a reader sees the old file or the new one."""
    unready = path.with_name(f".{path.name}.{os.getpid()}-{threading.get_ident()}")
    try:
        with unready.open("wb") as file:  # Unlike a temporary file, as open as the umask allows.
            file.writelines(pieces)
            file.flush()
            os.fsync(file.fileno())
        unready.replace(path)
    except BaseException:  # Whoever makes the pieces may raise anything.
        unready.unlink(missing_ok=True)
        raise


def _read_all(path: Path) -> dict[str, Entry]:
    try:
        document = json.loads(path.read_bytes())
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise DatasetError(
            f"cannot read {path} ({error.strerror}): make it a file that can be read, move it"
            " away, or choose another place for the dataset"
        ) from error
    except ValueError as error:
        _require_name(path)
        raise LockMismatchError(
            f"{path} is not a readable lock ({error}): restore it from version control,"
            " or delete it and run `bestiary curate` again"
        ) from error
    datasets = document.get("datasets") if isinstance(document, dict) else None
    if (
        not isinstance(datasets, dict)
        or not all(isinstance(entry, dict) for entry in datasets.values())
        or document.get("version") != LOCK_VERSION
    ):
        _require_name(path)
        raise LockMismatchError(
            f"{path} is not a lock of version {LOCK_VERSION}: use the Bestiary that wrote it,"
            " or delete it and run `bestiary curate` again"
        )
    return datasets


def _require_name(path: Path) -> None:
    """Advise nobody to delete a file that was named by mistake."""
    if path.name != FILE_NAME:
        raise DatasetError(
            f"{path} is no lock: name a {FILE_NAME}, a manifest, or a dataset's folder"
        )


@contextlib.contextmanager
def _held(folder: Path) -> Iterator[None]:
    """Keep other Bestiaries from updating a lock in `folder` meanwhile (not on Windows)."""
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)
