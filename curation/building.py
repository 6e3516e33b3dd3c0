"""The building site: a dataset grows out of sight and takes its place in one step.

.DATASET.building   beside DATASET while it grows; a killed run leaves it, the next removes it
.DATASET.old        the one before, for the instant in which they change places
"""

from __future__ import annotations

import contextlib
import errno
import heapq
import os
import re
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from itertools import chain, islice
from pathlib import Path

from PIL import Image

from curation import lock, reasons
from curation.dataset import LEAKS, MANIFEST, REPORT, Row, files_below, listed_files
from curation.digests import Digests
from curation.errors import DatasetError
from curation.memory import give_back
from curation.recipe import SPLITS

THUMBNAILS = ".thumbnails"
"""Folder of small pictures of what was dropped as a look-alike, for the report."""
_THUMBNAIL_PX = 96
_MAX_THUMBNAILS = 600
_OUR_FILE = re.compile(rf"(({'|'.join(SPLITS)})/[^/]+|{re.escape(THUMBNAILS)})/[0-9a-f]{{64}}\.jpg")


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
        require_ours(root)
        give_back()
        with _alone(site):
            _clear(site)
            try:
                yield site
                _take_place(site, root, old)
            finally:
                shutil.rmtree(site, ignore_errors=True)
    except OSError as error:
        raise DatasetError(f"cannot write a dataset at {root}: {error}{_hint(error)}") from error


def _hint(error: OSError) -> str:
    if error.errno != errno.ENOSPC:
        return ""
    return f" (or none for temporary files, in {tempfile.gettempdir()}: TMPDIR names another place)"


def make_class_folders(site: Path, rows: Iterable[Row]) -> None:
    """Make a folder for every species in every split that has images, if only of others: what
    reads class folders numbers the classes by those that are there."""
    folders = {Path(row.file).parent for row in rows if row.file is not None}
    species = {folder.name for folder in folders}
    for split in {folder.parent for folder in folders}:
        for name in species:
            (site / split / name).mkdir(exist_ok=True)


def furnish(site: Path, rows: Sequence[Row], rendered: Callable[[str], Path]) -> None:
    """Put the rendered picture of every kept row in its place; `rendered` says where it is."""
    for name in SPLITS:
        (site / name).mkdir()
    make_class_folders(site, rows)
    for row in rows:
        if row.file is not None:
            _link(rendered(row.digest), site / row.file)
    _keep_thumbnails(site / THUMBNAILS, rows, rendered)


def _link(source: Path, target: Path) -> None:
    """Give a file a second name; where the file system knows no such thing, copy it."""
    try:
        target.hardlink_to(source)
    except OSError:
        shutil.copyfile(source, target)


def _keep_thumbnails(folder: Path, rows: Iterable[Row], rendered: Callable[[str], Path]) -> None:
    """Save small pictures of dropped look-alikes, conflicts first, up to a number."""
    folder.mkdir()
    contended, others = bytearray(), bytearray()
    for row in rows:
        if row.group and not row.kept:
            is_contended = row.reason.startswith(reasons.CONFLICT)
            (contended if is_contended else others).extend(bytes.fromhex(row.digest))
    both = chain.from_iterable(Digests.packed(some)[0] for some in (contended, others))
    for digest in islice(both, _MAX_THUMBNAILS):
        with Image.open(rendered(digest)) as image:
            image.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
            image.save(folder / f"{digest}.jpg", quality=80)


def _recover(root: Path, old: Path) -> None:
    """Mend what a run left that was killed in the very instant of the exchange."""
    if not old.exists():
        return
    if root.exists():
        shutil.rmtree(old)
    else:
        old.rename(root)


def require_ours(root: Path) -> None:
    """Refuse to replace a folder that holds anything which curation did not put there.

    Raises:
        DatasetError: it does.
    """
    if not root.exists():
        return
    if not root.is_dir():
        raise DatasetError(f"{root} is a file: choose a folder for the dataset")
    if not (root / MANIFEST).exists():
        if any(files_below(root)):
            raise DatasetError(f"{root} is not empty and is no dataset: choose another folder")
        return
    is_ours = _ours(root)
    if strange := heapq.nsmallest(3, (file for file in files_below(root) if not is_ours(file))):
        raise DatasetError(
            f"{root} holds what is not of the dataset ({', '.join(strange)}):"
            " move it elsewhere, then curate again"
        )


def _ours(root: Path) -> Callable[[str], bool]:
    """What tells our files from others: the manifest, or the lock and names like ours."""
    try:
        is_listed = listed_files(root / MANIFEST)
    except DatasetError as error:
        if lock.read_entry(lock.lock_path(root), root.name) is None:
            raise DatasetError(
                f"{root} is no dataset that this Bestiary can replace ({error}):"
                " choose another --dataset, or empty it"
            ) from error
        return _is_named_by_us
    return lambda file: is_listed(file) or (_is_named_by_us(file) and not _is_in_a_split(file))


def _is_named_by_us(file: str) -> bool:
    """Whether a path below the dataset is one that curation writes, as far as a name can tell."""
    return file in {MANIFEST, REPORT, LEAKS} or _OUR_FILE.fullmatch(file) is not None


def _is_in_a_split(file: str) -> bool:
    return file.startswith(tuple(f"{split}/" for split in SPLITS))


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
