"""The building site: a dataset grows out of sight and takes its place in one step.

.DATASET.building   beside DATASET while it grows; a killed run leaves it, the next removes it
.DATASET.old        the one before, for the instant in which they change places
"""

from __future__ import annotations

import contextlib
import os
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from curation.dataset import MANIFEST, REPORT, Dataset, rendered_files
from curation.errors import DatasetError
from curation.recipe import SPLITS

THUMBNAILS = ".thumbnails"
"""Folder of small pictures of what was dropped as a look-alike, for the report."""
OUR_NAMES = frozenset({*SPLITS, MANIFEST, REPORT, THUMBNAILS})


@contextlib.contextmanager
def building_site(root: Path) -> Iterator[Path]:
    """Give an empty folder to build in; it becomes `root` if the block ends well.

    Raises:
        DatasetError: `root` holds what is not Bestiary's, another run builds there too, or
            the disk says no.
    """
    root = root.resolve()
    if not root.name:
        raise DatasetError(f"{root} cannot be a dataset: choose another --dataset")
    site, old = root.with_name(f".{root.name}.building"), root.with_name(f".{root.name}.old")
    try:
        root.parent.mkdir(parents=True, exist_ok=True)
        _recover(root, old)
        _require_ours(root)
        with _alone(site):
            _clear(site)
            try:
                yield site
                _take_place(site, root, old)
            finally:
                shutil.rmtree(site, ignore_errors=True)
    except OSError as error:
        raise DatasetError(f"cannot write a dataset at {root}: {error}") from error


def _recover(root: Path, old: Path) -> None:
    """Mend what a run left that was killed in the very instant of the exchange."""
    if not old.exists():
        return
    if root.exists():
        shutil.rmtree(old)
    else:
        old.rename(root)


def _require_ours(root: Path) -> None:
    """Refuse to replace a folder that holds anything which curation did not put there."""
    if not root.exists():
        return
    if not root.is_dir():
        raise DatasetError(f"{root} is a file: choose another --dataset")
    names = {path.name for path in root.iterdir()}
    strange = sorted(names - OUR_NAMES)
    if names and MANIFEST not in names:
        raise DatasetError(
            f"{root} is not empty and is no dataset: choose another --dataset, or empty it"
        )
    if not strange and names:
        strange = _unlisted(root)
    if strange:
        raise DatasetError(
            f"{root} holds what is not of the dataset ({', '.join(strange[:3])}):"
            " move it elsewhere, then curate again"
        )


def _unlisted(root: Path) -> list[str]:
    try:
        listed = {row.file for row in Dataset.open(root).rows}
    except DatasetError:
        return []  # A manifest that cannot be read lists nothing: rebuilding mends that.
    return sorted(set(rendered_files(root)) - listed)


@contextlib.contextmanager
def _alone(site: Path) -> Iterator[None]:
    """Be the only one who builds here (not enforced on Windows)."""
    site.mkdir(exist_ok=True)
    if sys.platform == "win32":
        yield
        return
    import fcntl

    descriptor = os.open(site, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(descriptor)
        raise DatasetError(f"another run is building {site}: wait until it ends") from error
    try:
        yield
    finally:
        os.close(descriptor)


def _clear(folder: Path) -> None:
    for path in folder.iterdir():
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink()


def _take_place(site: Path, root: Path, old: Path) -> None:
    if root.exists():
        root.rename(old)
    site.rename(root)
    shutil.rmtree(old, ignore_errors=True)
