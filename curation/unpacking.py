"""Unpacking: a folder that appears whole, or not at all."""

from __future__ import annotations

import contextlib
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from curation.errors import DatasetError, UsageError


@contextlib.contextmanager
def new_folder(folder: Path) -> Iterator[Path]:
    """Give an empty folder to fill; it becomes `folder` if the block ends well.

    Raises:
        UsageError: something is there already.
        DatasetError: the disk says no.
    """
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError(f"{folder} is there already: name another folder with --out")
    try:
        folder.absolute().parent.mkdir(parents=True, exist_ok=True)
        site = Path(tempfile.mkdtemp(dir=folder.absolute().parent, prefix=f".{folder.name}."))
        try:
            yield site
            site.chmod(0o755)
            site.replace(folder)
        finally:
            shutil.rmtree(site, ignore_errors=True)
    except OSError as error:
        raise DatasetError(f"cannot write {folder}: {error.strerror or error}") from error
