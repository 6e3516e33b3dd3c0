"""Searched: what the last search for leaks found, kept beside the report that tells of it.

Whatever writes the report anew would otherwise say that nobody has searched. A search holds for
one lock entry; of any other version of the dataset it is outdated, until that one is back.
"""

from __future__ import annotations

import contextlib
import json
import shutil
from dataclasses import dataclass
from pathlib import Path

from curation.dataset import LEAKS, Dataset
from curation.leaks import LeakCheck
from curation.lock import write_atomically


@dataclass(frozen=True, slots=True, kw_only=True)
class Searched:
    """A search that is over."""

    lock_digest: str
    """Of the dataset that was searched; empty where its files were not those of the lock."""
    check: LeakCheck


def keep_search(dataset: Dataset, check: LeakCheck) -> None:
    """Write beside the report what was found in a dataset.

    Raises:
        LockMismatchError: the dataset is not in the lock.
        OSError: it cannot be written.
    """
    is_locked = check.files_sha256 == dataset.lock_entry.get("files_sha256")
    record = {"lock_digest": dataset.lock_digest if is_locked else "", "check": check.document()}
    text = json.dumps(record, indent=2, ensure_ascii=False) + "\n"
    write_atomically(dataset.root / LEAKS, [text.encode()])


def last_search(root: Path) -> Searched | None:
    """The last search in the dataset at `root`; None where none is known."""
    try:
        record = json.loads((root / LEAKS).read_bytes())
        check = LeakCheck.of_document(record["check"])
        return Searched(lock_digest=str(record["lock_digest"]), check=check)
    except (OSError, ValueError, KeyError, TypeError, OverflowError, RecursionError):
        return None


def is_outdated(root: Path, lock_digest: str) -> bool:
    """Whether there was a search in the dataset at `root`, and of another version of it."""
    last = last_search(root)
    return last is not None and last.lock_digest != lock_digest


def standing(root: Path, lock_digest: str) -> LeakCheck | None:
    """What the last search found, if it was in the version that has this lock entry."""
    last = last_search(root)
    return last.check if last is not None and last.lock_digest == lock_digest else None


def hand_on(root: Path, site: Path) -> None:
    """Copy what is known of the last search into the dataset that will take this one's place."""
    if last_search(root) is not None:
        with contextlib.suppress(OSError):
            shutil.copyfile(root / LEAKS, site / LEAKS)
